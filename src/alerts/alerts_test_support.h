// What the tests of this folder share: a store on disk, a clock that the test moves, and a
// committer that applies records as the tasks do. Included by tests alone.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alerts/inbox.h"
#include "alerts/queries.h"
#include "base/clock.h"
#include "journal/journal.h"
#include "store/database.h"
#include "testing/memory_journal/memory_journal.h"
#include "wire/envelope.h"

namespace weir::alerts {

class MovableClock final : public base::Clock {
 public:
  int64_t WallMs() const override { return wall_ms_; }
  int64_t SteadyNs() const override { return steady_ns_; }

  void Advance(int64_t ms) {
    wall_ms_ += ms;
    steady_ns_ += ms * 1'000'000;
  }
  void JumpWall(int64_t ms) { wall_ms_ += ms; }

 private:
  std::atomic<int64_t> wall_ms_ = 1'764'000'000'000;  // 2025-11-24
  std::atomic<int64_t> steady_ns_ = 1'000'000'000;
};

class StoreOnDisk {
 public:
  StoreOnDisk() {
    static std::atomic<int> number = 0;
    folder_ = std::filesystem::temp_directory_path() /
              ("weir_alerts_" + std::to_string(::getpid()) + "_" + std::to_string(++number));
    std::filesystem::create_directories(folder_);
    auto opened = store::OpenSqlite({.path = folder_ / "weir.db"});
    EXPECT_TRUE(opened.has_value());
    database_ = std::move(*opened);
    EXPECT_TRUE(database_->Migrate(Migrations()).has_value());
  }
  ~StoreOnDisk() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  StoreOnDisk(const StoreOnDisk&) = delete;
  StoreOnDisk& operator=(const StoreOnDisk&) = delete;

  store::Database& operator*() { return *database_; }
  store::Database* operator->() { return database_.get(); }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<store::Database> database_;
};

// A report's record that calls for an alert, with ids made from its offset.
struct TestAlert {
  uint64_t offset = 0;
  Level level = Level::kUrgent;
  std::string study = "s1", site = "site-1", doctor = "d1";
  int64_t received_ms = 1'764'000'000'000;
};

class Committer {
 public:
  Committer(store::Database& database, Routing routing, const base::Clock& clock)
      : inbox_(std::move(routing), clock), writer_(std::move(*database.OpenWriter())) {}

  Inbox& inbox() { return inbox_; }
  store::Connection& writer() { return *writer_; }

  // One transaction: begin, `apply`, commit, Committed().
  template <class F>
  void Commit(F&& apply) {
    ASSERT_TRUE(writer_->Begin().has_value());
    apply();
    ASSERT_TRUE(writer_->Commit().has_value());
    inbox_.Committed();
  }

  bool Raise(const TestAlert& alert) {
    const std::string number = std::to_string(alert.offset);
    const std::string patient = "p" + number, report = "r" + number;
    const auto raised = inbox_.Raise(*writer_, {.report = Offset(alert.offset),
                                                .study_id = alert.study,
                                                .site_id = alert.site,
                                                .patient_id = patient,
                                                .report_id = report,
                                                .doctor_id = alert.doctor,
                                                .trace_id = {},
                                                .level = alert.level,
                                                .reason = "item 44260-8 is 2",
                                                .received_ms = alert.received_ms});
    EXPECT_TRUE(raised.has_value()) << raised.error().message;
    return raised && *raised;
  }
  void Acknowledge(uint64_t report, uint64_t record, std::string_view note = "called the patient") {
    EXPECT_TRUE(inbox_.ApplyAcknowledged(*writer_, {Offset(report), "dr-who", note}, Offset(record),
                                         1'764'000'001'000));
  }
  void Escalate(uint64_t report, uint64_t record) {
    EXPECT_TRUE(inbox_.ApplyEscalated(*writer_, {Offset(report), "weir", ""}, Offset(record),
                                      1'764'000'002'000));
  }
  void Deliver(uint64_t report, uint8_t stage, std::string_view target, bool delivered = true) {
    wire::DeliveryHead head;
    head.report = Offset(report);
    head.stage = stage;
    head.delivered = delivered;
    head.attempts = 2;
    head.status = delivered ? 200 : 410;
    head.target = target;
    EXPECT_TRUE(inbox_.ApplyDelivery(*writer_, head, 1'764'000'003'000));
  }

 private:
  Inbox inbox_;
  std::unique_ptr<store::Connection> writer_;
};

// A journal in memory that keeps keys unique, and that a test can make refuse records.
class KeyedJournal final : public journal::Journal {
 public:
  // What AppendAndWait() answers instead of storing; nothing: it stores.
  void Refuse(std::optional<journal::Outcome> with) { refuse_ = with; }
  size_t refused() const { return refused_; }

  Appended AppendAndWait(const journal::RecordHeader& header, std::string_view head,
                         std::string_view body) override {
    const std::lock_guard lock(mutex_);
    if (const std::optional<journal::Outcome> outcome = refuse_) {
      ++refused_;
      return {*outcome, {}};
    }
    const auto known = records_.Find(header.key);
    if (!known->empty()) return {journal::Outcome::kDuplicate, known->front().offset};
    return records_.AppendAndWait(header, head, body);
  }
  // A record that is of no interest, so that offsets grow.
  void AddOther() { records_.Add({}, "", ""); }

  const journal::Recovery& recovery() const override { return records_.recovery(); }
  std::optional<journal::Probe> ProbeMemory(const journal::Key& key) const override {
    return records_.ProbeMemory(key);
  }
  base::Result<journal::Probe> ProbeDisk(const journal::Key& key) const override {
    return records_.ProbeDisk(key);
  }
  base::Result<std::vector<journal::KnownBody>> Find(const journal::Key& key) const override {
    return records_.Find(key);
  }
  [[nodiscard]] bool Submit(std::unique_ptr<journal::Handover>& batch) override {
    return records_.Submit(batch);
  }
  journal::Offset durable_end() const override { return records_.durable_end(); }
  journal::Offset begin() const override { return records_.begin(); }
  bool WaitBeyond(journal::Offset after, int timeout_ms) const override {
    return records_.WaitBeyond(after, timeout_ms);
  }
  base::Status Read(journal::Offset from, size_t records_max, size_t bytes_max,
                    journal::Block* block) const override {
    return records_.Read(from, records_max, bytes_max, block);
  }
  base::Result<journal::Record> ReadOne(journal::Offset offset) const override {
    return records_.ReadOne(offset);
  }
  base::Result<std::vector<journal::ControlEntry>> Controls(journal::Offset from,
                                                            size_t max) const override {
    return records_.Controls(from, max);
  }
  base::Result<journal::Offset> Archive(journal::Offset before,
                                        const std::string& to_directory) override {
    return records_.Archive(before, to_directory);
  }
  journal::Stats stats() const override { return records_.stats(); }
  std::optional<base::Error> failed() const override { return std::nullopt; }
  void SetFailureHandler(std::function<void(const base::Error&)>) override {}
  base::Status Stop() override { return {}; }

 private:
  std::mutex mutex_;
  testing::MemoryJournal records_;
  std::atomic<std::optional<journal::Outcome>> refuse_{};
  std::atomic<size_t> refused_ = 0;
};

// Applies the control records that were journalled since the last time, as the control lane does.
class ControlLane {
 public:
  ControlLane(const journal::Journal& journal, Committer& committer)
      : journal_(journal), committer_(committer) {}

  // A journal that cannot be read any more ends it early.
  void Run() {
    const auto entries = journal_.Controls(cursor_, 10'000);
    if (!entries || entries->empty()) return;
    std::vector<journal::Record> records;
    for (const journal::ControlEntry& entry : *entries) {
      auto record = journal_.ReadOne(entry.offset);
      if (!record) break;
      records.push_back(std::move(*record));
    }
    if (records.empty()) return;
    committer_.Commit([&] {
      for (const journal::Record& record : records) Apply(record);
    });
    cursor_ = records.back().offset + 1;
  }
  // A moment, or until there is something to run.
  void WaitForMore() const { (void)journal_.WaitBeyond(cursor_, 2); }

 private:
  void Apply(const journal::Record& record) {
    Inbox& inbox = committer_.inbox();
    store::Connection& writer = committer_.writer();
    switch (static_cast<wire::Kind>(record.kind)) {
      case wire::Kind::kAlertAcknowledged:
        EXPECT_TRUE(inbox.ApplyAcknowledged(writer, *wire::DecodeAlertAction(record.head),
                                            record.offset, record.time_ms));
        break;
      case wire::Kind::kAlertEscalated:
        EXPECT_TRUE(inbox.ApplyEscalated(writer, *wire::DecodeAlertAction(record.head),
                                         record.offset, record.time_ms));
        break;
      case wire::Kind::kDelivery:
        EXPECT_TRUE(
            inbox.ApplyDelivery(writer, *wire::DecodeDelivery(record.head), record.time_ms));
        break;
      default:
        break;
    }
  }

  const journal::Journal& journal_;
  Committer& committer_;
  Offset cursor_;
};

// All rows of a statement, columns joined by '|'.
inline std::vector<std::string> Rows(store::Connection& connection, std::string_view sql,
                                     int columns) {
  std::vector<std::string> rows;
  store::Statement* select = *connection.Prepare(sql);
  while (*select->Step()) {
    std::string row;
    for (int i = 0; i < columns; ++i) {
      if (i > 0) row += '|';
      row += select->IsNull(i) ? "-" : std::string(select->Text(i));
    }
    rows.push_back(std::move(row));
  }
  select->Reset();
  return rows;
}

inline Target TestTarget(std::string name, std::string url = "https://hospital.example/hook") {
  return {std::move(name), std::move(url), "secret"};
}

}  // namespace weir::alerts
