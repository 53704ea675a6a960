#include "store/sqlite/connection.h"

#include "base/clock.h"

namespace weir::store::sqlite {
namespace {

using base::Fail;
using base::Result;
using base::Status;

// The log is copied into the file when it holds this many pages (16 MiB): long enough that a page
// touched by several windows is copied once, short enough that a checkpoint takes some 20 ms.
constexpr int kCheckpointPages = 4096;
// While a reader's snapshot keeps a checkpoint from finishing, it is tried again this much later.
constexpr int kRetryPages = 1024;
// From here on (128 MiB) the writer waits for readers, as long as the busy timeout, to start over.
constexpr int kRestartPages = 32'768;
// Instructions of SQLite's machine between two looks at the clock: some tens of microseconds.
constexpr int kProgressSteps = 2000;

}  // namespace

SqliteStatement::SqliteStatement(sqlite3* db, StatementHandle handle)
    : db_(db), handle_(std::move(handle)) {}

Statement& SqliteStatement::Bind(int index, int64_t value) {
  Note(sqlite3_bind_int64(handle_.get(), index, value));
  return *this;
}

Statement& SqliteStatement::Bind(int index, double value) {
  Note(sqlite3_bind_double(handle_.get(), index, value));
  return *this;
}

Statement& SqliteStatement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL instead of the empty text.
  const char* data = value.data() != nullptr ? value.data() : "";
  Note(sqlite3_bind_text64(handle_.get(), index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& SqliteStatement::BindBlob(int index, std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";
  Note(sqlite3_bind_blob64(handle_.get(), index, data, value.size(), SQLITE_STATIC));
  return *this;
}

Statement& SqliteStatement::BindNull(int index) {
  Note(sqlite3_bind_null(handle_.get(), index));
  return *this;
}

Result<bool> SqliteStatement::Step() {
  if (bind_code_ != SQLITE_OK) return Fail(MakeError(db_, bind_code_, "bind"));
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(MakeError(db_, code, "step"));
}

Status SqliteStatement::Run() {
  for (;;) {
    auto row = Step();
    if (!row) {
      Reset();
      return Fail(std::move(row).error());
    }
    if (!*row) break;
  }
  Reset();
  return {};
}

void SqliteStatement::Reset() {
  sqlite3_reset(handle_.get());
  bind_code_ = SQLITE_OK;
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

double SqliteStatement::Real(int column) const {
  return sqlite3_column_double(handle_.get(), column);
}

std::string_view SqliteStatement::Text(int column) const {
  const void* data = sqlite3_column_type(handle_.get(), column) == SQLITE_BLOB
                         ? sqlite3_column_blob(handle_.get(), column)
                         : sqlite3_column_text(handle_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

SqliteConnection::SqliteConnection(Handle db, bool writer)
    : db_(std::move(db)), writer_(writer), checkpoint_at_pages_(kCheckpointPages) {
  sqlite3_wal_hook(
      db_.get(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteConnection*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

void SqliteConnection::SetDeadline(int64_t deadline_ns) {
  if (deadline_ns == deadline_ns_) return;
  deadline_ns_ = deadline_ns;
  if (deadline_ns == 0) return sqlite3_progress_handler(db_.get(), 0, nullptr, nullptr);
  sqlite3_progress_handler(
      db_.get(), kProgressSteps,
      [](void* self) {
        return static_cast<int>(base::SystemClock().SteadyNs() >=
                                static_cast<SqliteConnection*>(self)->deadline_ns_);
      },
      this);
}

Result<Statement*> SqliteConnection::Prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    return found->second.get();
  }
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return Fail(MakeError(db_.get(), code, "prepare"));
  auto statement = std::make_unique<SqliteStatement>(db_.get(), StatementHandle(raw));
  return statements_.emplace(std::string(sql), std::move(statement)).first->second.get();
}

Status SqliteConnection::Execute(std::string_view sql) { return Exec(db_.get(), std::string(sql)); }

Result<sqlite3_stmt*> SqliteConnection::Kept(StatementHandle& slot, const char* sql) {
  if (slot == nullptr) {
    sqlite3_stmt* raw = nullptr;
    const int code =
        sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    if (code != SQLITE_OK) return Fail(MakeError(db_.get(), code, sql));
    slot.reset(raw);
  }
  return slot.get();
}

Status SqliteConnection::RunKept(StatementHandle& slot, const char* sql) {
  WEIR_ASSIGN_OR_RETURN(sqlite3_stmt * statement, Kept(slot, sql));
  const int code = sqlite3_step(statement);
  Status status;
  if (code != SQLITE_DONE) status = Fail(MakeError(db_.get(), code, sql));
  sqlite3_reset(statement);
  return status;
}

Status SqliteConnection::Begin() {
  return writer_ ? RunKept(begin_, "BEGIN IMMEDIATE") : RunKept(begin_, "BEGIN");
}

Status SqliteConnection::Commit() {
  WEIR_RETURN_IF_ERROR(RunKept(commit_, "COMMIT"));
  if (writer_ && log_pages_ >= checkpoint_at_pages_) Checkpoint();
  return {};
}

// Copies the log into the file. What a reader's snapshot still needs stays in the log; a failure
// leaves it there too, and the next commit that cannot be written reports its cause.
void SqliteConnection::Checkpoint() {
  int logged = 0;
  int copied = 0;
  sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &logged, &copied);
  if (logged >= kRestartPages) {
    sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_RESTART, &logged, &copied);
  }
  checkpoint_at_pages_ = copied >= logged ? kCheckpointPages : logged + kRetryPages;
}

void SqliteConnection::Rollback() {
  if (sqlite3_get_autocommit(db_.get()) != 0) return;  // SQLite has done so itself
  sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Status SqliteConnection::Savepoint() { return RunKept(savepoint_, "SAVEPOINT weir"); }

Status SqliteConnection::ReleaseSavepoint() { return RunKept(release_, "RELEASE weir"); }

void SqliteConnection::RollbackToSavepoint() {
  if (sqlite3_get_autocommit(db_.get()) != 0) return;
  if (RunKept(rollback_to_, "ROLLBACK TO weir")) (void)RunKept(release_, "RELEASE weir");
}

}  // namespace weir::store::sqlite
