// A connection to an SQLite file. The writer's also keeps the write-ahead log short.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/sqlite/handle.h"

namespace weir::store::sqlite {

class SqliteStatement final : public Statement {
 public:
  SqliteStatement(sqlite3* db, StatementHandle handle);

  Statement& Bind(int index, int64_t value) override;
  Statement& Bind(int index, double value) override;
  Statement& BindText(int index, std::string_view value) override;
  Statement& BindBlob(int index, std::string_view value) override;
  Statement& BindNull(int index) override;
  base::Result<bool> Step() override;
  base::Status Run() override;
  void Reset() override;
  bool IsNull(int column) const override;
  int64_t Int(int column) const override;
  double Real(int column) const override;
  std::string_view Text(int column) const override;

 private:
  void Note(int code) {
    if (code != SQLITE_OK && bind_code_ == SQLITE_OK) bind_code_ = code;
  }
  sqlite3* db_;
  StatementHandle handle_;
  int bind_code_ = SQLITE_OK;  // the first Bind() that failed; Step() returns it
};

class SqliteConnection final : public Connection {
 public:
  // `writer`: checkpoints the log as it commits.
  SqliteConnection(Handle db, bool writer);

  base::Result<Statement*> Prepare(std::string_view sql) override;
  base::Status Execute(std::string_view sql) override;
  base::Status Begin() override;
  base::Status Commit() override;
  void Rollback() override;
  base::Status Savepoint() override;
  base::Status ReleaseSavepoint() override;
  void RollbackToSavepoint() override;
  int64_t Changes() const override { return sqlite3_changes64(db_.get()); }
  void SetDeadline(int64_t deadline_ns) override;

 private:
  base::Result<sqlite3_stmt*> Kept(StatementHandle& slot, const char* sql);
  base::Status RunKept(StatementHandle& slot, const char* sql);
  void Checkpoint();

  Handle db_;
  const bool writer_;
  int64_t deadline_ns_ = 0;
  int log_pages_ = 0;        // in the write-ahead log after the last commit
  int checkpoint_at_pages_;  // the next attempt
  std::map<std::string, std::unique_ptr<SqliteStatement>, std::less<>> statements_;
  StatementHandle begin_, commit_, savepoint_, release_, rollback_to_;
};

}  // namespace weir::store::sqlite
