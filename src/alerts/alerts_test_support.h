// What the tests of this folder share: a store on disk, a clock that the test moves, and a
// committer that applies records as the tasks do. Included by tests alone.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "alerts/inbox.h"
#include "alerts/queries.h"
#include "base/clock.h"
#include "store/database.h"
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
