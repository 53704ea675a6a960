#include "testing/faulty_store/faulty_store.h"

#include <map>
#include <string>

namespace weir::testing {
namespace {

using base::Fail;
using base::Result;
using base::Status;

class FaultyStatement final : public store::Statement {
 public:
  FaultyStatement(store::Statement& inner, std::string sql, StoreFaults& faults)
      : inner_(inner), sql_(std::move(sql)), faults_(faults) {}

  Statement& Bind(int index, int64_t value) override { return inner_.Bind(index, value), *this; }
  Statement& Bind(int index, double value) override { return inner_.Bind(index, value), *this; }
  Statement& BindText(int index, std::string_view value) override {
    return inner_.BindText(index, value), *this;
  }
  Statement& BindBlob(int index, std::string_view value) override {
    return inner_.BindBlob(index, value), *this;
  }
  Statement& BindNull(int index) override { return inner_.BindNull(index), *this; }
  Result<bool> Step() override {
    if (auto error = faults_.Next(sql_)) return Fail(std::move(*error));
    return inner_.Step();
  }
  Status Run() override {
    if (auto error = faults_.Next(sql_)) {
      inner_.Reset();
      return Fail(std::move(*error));
    }
    return inner_.Run();
  }
  void Reset() override { inner_.Reset(); }
  bool IsNull(int column) const override { return inner_.IsNull(column); }
  int64_t Int(int column) const override { return inner_.Int(column); }
  double Real(int column) const override { return inner_.Real(column); }
  std::string_view Text(int column) const override { return inner_.Text(column); }

 private:
  store::Statement& inner_;
  const std::string sql_;
  StoreFaults& faults_;
};

class FaultyConnection final : public store::Connection {
 public:
  FaultyConnection(std::unique_ptr<store::Connection> inner, StoreFaults& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  Result<store::Statement*> Prepare(std::string_view sql) override {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second.get();
    WEIR_ASSIGN_OR_RETURN(store::Statement * inner, inner_->Prepare(sql));
    auto statement = std::make_unique<FaultyStatement>(*inner, std::string(sql), faults_);
    return statements_.emplace(std::string(sql), std::move(statement)).first->second.get();
  }
  Status Execute(std::string_view sql) override {
    return Guarded(sql, [&] { return inner_->Execute(sql); });
  }
  Status Begin() override {
    return Guarded("BEGIN", [&] { return inner_->Begin(); });
  }
  Status Commit() override {
    return Guarded("COMMIT", [&] { return inner_->Commit(); });
  }
  void Rollback() override { inner_->Rollback(); }
  Status Savepoint() override {
    return Guarded("SAVEPOINT", [&] { return inner_->Savepoint(); });
  }
  Status ReleaseSavepoint() override {
    return Guarded("RELEASE", [&] { return inner_->ReleaseSavepoint(); });
  }
  void RollbackToSavepoint() override { inner_->RollbackToSavepoint(); }
  int64_t Changes() const override { return inner_->Changes(); }
  void SetDeadline(int64_t deadline_ns) override { inner_->SetDeadline(deadline_ns); }

 private:
  template <class Call>
  Status Guarded(std::string_view sql, Call call) {
    if (auto error = faults_.Next(sql)) return Fail(std::move(*error));
    return call();
  }
  std::unique_ptr<store::Connection> inner_;
  StoreFaults& faults_;
  std::map<std::string, std::unique_ptr<FaultyStatement>, std::less<>> statements_;
};

}  // namespace

void StoreFaults::CrashAt(uint64_t call) {
  const std::lock_guard lock(mutex_);
  calls_ = 0;
  crash_at_ = call;
}

void StoreFaults::FailNext(uint64_t times, base::Error error, std::string sql) {
  const std::lock_guard lock(mutex_);
  failures_left_ = times;
  error_ = std::move(error);
  sql_ = std::move(sql);
}

void StoreFaults::Heal() {
  const std::lock_guard lock(mutex_);
  failures_left_ = 0;
  crash_at_.reset();
}

std::optional<base::Error> StoreFaults::Next(std::string_view sql) {
  const std::lock_guard lock(mutex_);
  const uint64_t call = calls_.fetch_add(1);
  if (crash_at_ && call >= *crash_at_) crashed_ = true;
  if (crashed_) return base::Error{base::ErrorCode::kIo, "the store's process has ended"};
  if (failures_left_ > 0 && (sql_.empty() || sql.find(sql_) != std::string_view::npos)) {
    --failures_left_;
    return error_;
  }
  return std::nullopt;
}

Result<std::unique_ptr<store::Connection>> FaultyStore::OpenWriter() {
  WEIR_ASSIGN_OR_RETURN(auto inner, store_.OpenWriter());
  return std::make_unique<FaultyConnection>(std::move(inner), faults_);
}

Result<std::unique_ptr<store::Connection>> FaultyStore::OpenReader() {
  WEIR_ASSIGN_OR_RETURN(auto inner, store_.OpenReader());
  return std::make_unique<FaultyConnection>(std::move(inner), faults_);
}

}  // namespace weir::testing
