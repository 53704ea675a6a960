// For this folder's tests: a service whose tasks write down each record they apply.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "store/database.h"
#include "tasks/engine.h"
#include "testing/memory_journal/memory_journal.h"
#include "wire/envelope.h"

namespace weir::tasks {

// A body "poison:NAME" is refused by the task NAME, and by it alone, unless cured.
class NotingTask final : public Task {
 public:
  NotingTask(std::string name, bool express) : name_(std::move(name)), express_(express) {}

  std::string_view name() const override { return name_; }
  bool Takes(uint16_t kind) const override { return kind == uint16_t(wire::Kind::kReport); }
  base::Status Open(store::Connection& connection) override {
    WEIR_ASSIGN_OR_RETURN(insert_, connection.Prepare("INSERT INTO noted(task, record_offset,"
                                                      " visible_at, ahead, body)"
                                                      " VALUES(?, ?, ?, ?, ?)"));
    return {};
  }
  base::Status Apply(const Window& window, size_t index, const Turn& turn) override {
    if (refuses_all_) return base::Fail(base::ErrorCode::kUnavailable, "away");
    if (turn.handled_ahead) return {};
    const journal::RecordView& record = window.block.records[index];
    if (!cured_ && record.body == "poison:" + name_) {
      return base::Fail(base::ErrorCode::kInvalidArgument, "is poison");
    }
    pending_.push_back({record.offset, turn.visible_at, false, std::string(record.body)});
    return {};
  }
  base::Status Flush() override {
    for (const Noted& noted : pending_) WEIR_RETURN_IF_ERROR(Write(noted));
    pending_.clear();
    return {};
  }
  void Discard() override { pending_.clear(); }
  bool has_express() const override { return express_; }
  base::Status ApplyAhead(const Window& window, size_t index) override {
    const journal::RecordView& record = window.block.records[index];
    return Write({record.offset, record.offset, true, std::string(record.body)});
  }

  void RefuseAll(bool refuses) { refuses_all_ = refuses; }
  void Cure() { cured_ = true; }

 private:
  struct Noted {
    Offset offset, visible_at;
    bool ahead;
    std::string body;
  };
  base::Status Write(const Noted& noted) {
    insert_->BindText(1, name_)
        .Bind(2, static_cast<int64_t>(noted.offset.value()))
        .Bind(3, static_cast<int64_t>(noted.visible_at.value()))
        .Bind(4, int64_t{noted.ahead})
        .BindText(5, noted.body);
    return insert_->Run();
  }
  const std::string name_;
  const bool express_;
  store::Statement* insert_ = nullptr;
  std::vector<Noted> pending_;
  std::atomic<bool> refuses_all_{false}, cured_{false};
};

class NotingService final : public Service {
 public:
  base::Result<std::unique_ptr<Computed>> Compute(const journal::Block& block, const Instruments&,
                                                  std::optional<Offset>) const override {
    computed_ += block.records.size();
    return std::make_unique<Computed>();
  }
  std::span<Task* const> tasks() override { return tasks_; }
  base::Status OpenControls(store::Connection& connection) override {
    WEIR_ASSIGN_OR_RETURN(insert_,
                          connection.Prepare("INSERT INTO commands(record_offset) VALUES(?)"));
    return {};
  }
  base::Status ApplyControl(const journal::RecordView& record) override {
    insert_->Bind(1, static_cast<int64_t>(record.offset.value()));
    return insert_->Run();
  }

  NotingTask first{"first", false}, second{"second", false}, alert{"alert", true};
  uint64_t computed() const { return computed_; }

 private:
  std::vector<Task*> tasks_{&first, &second, &alert};
  store::Statement* insert_ = nullptr;
  mutable std::atomic<uint64_t> computed_{0};
};

// `noted` has no key: what is applied twice stands there twice.
inline constexpr store::Migration kNotingMigration{
    900, "noted",
    "CREATE TABLE noted(task TEXT, record_offset INTEGER, visible_at INTEGER, ahead INTEGER,"
    " body TEXT); CREATE TABLE commands(record_offset INTEGER)"};

inline void AddReport(testing::MemoryJournal& journal, std::string body, uint8_t flags = 0) {
  journal::RecordHeader header;
  header.kind = uint16_t(wire::Kind::kReport);
  header.flags = flags;
  journal.Add(header, "", std::move(body));
}
inline void AddUrgent(testing::MemoryJournal& journal, std::string body) {
  AddReport(journal, std::move(body), journal::kControl | journal::kUrgent);
}
inline Offset AddCommand(testing::MemoryJournal& journal, wire::Kind kind, std::string head) {
  journal::RecordHeader header;
  header.kind = uint16_t(kind);
  header.flags = journal::kControl;
  return journal.Add(header, std::move(head), "");
}
inline void Pause(testing::MemoryJournal& journal, std::string_view task, bool paused) {
  AddCommand(journal, wire::Kind::kTaskState,
             wire::Encode(wire::TaskStateHead{task, paused, "test"}));
}
inline void Replay(testing::MemoryJournal& journal, std::string_view task, Offset record) {
  AddCommand(journal, wire::Kind::kReplay, wire::Encode(wire::ReplayHead{task, record, "test"}));
}

// A folder of its own for each test, removed at its end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("weir_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace weir::tasks
