#include "store/sqlite/handle.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace weir::store::sqlite {
namespace {

using base::Error;
using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;

// How long a statement waits for another connection's lock before kUnavailable.
constexpr int kBusyTimeoutMs = 2000;

ErrorCode Classify(sqlite3* db, int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kNoSpace;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      const int cause = db != nullptr ? sqlite3_system_errno(db) : 0;
      return cause == ENOSPC || cause == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kUnavailable;
    }
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return ErrorCode::kUnavailable;
    case SQLITE_INTERRUPT:  // by Connection::SetDeadline()
      return ErrorCode::kDeadline;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return ErrorCode::kInvalidArgument;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorruption;
    default:
      return ErrorCode::kIo;
  }
}

// The counters of SQLite's allocator take a process-wide lock at every allocation.
void ConfigureLibrary() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

Status CreateFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const int cause = errno;
    return Fail(cause == ENOSPC || cause == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kUnavailable,
                "open the store " + path + ": " + std::strerror(cause));
  }
  ::close(fd);
  return {};
}

}  // namespace

Error MakeError(sqlite3* db, int code, std::string_view doing) {
  std::string message(doing);
  message += ": ";
  message += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return Error{Classify(db, code), std::move(message)};
}

Result<Handle> OpenHandle(const std::string& path) {
  ConfigureLibrary();
  WEIR_RETURN_IF_ERROR(CreateFile(path));
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Handle db(raw);
  if (code != SQLITE_OK) return Fail(MakeError(db.get(), code, "open the store " + path));
  sqlite3_extended_result_codes(db.get(), 1);
  sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
  WEIR_RETURN_IF_ERROR(Exec(db.get(),
                            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                            "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;"
                            "PRAGMA wal_autocheckpoint=0"));
  return db;
}

Status Exec(sqlite3* db, const std::string& sql) {
  const int code = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Fail(MakeError(db, code, "execute"));
  return {};
}

Result<int64_t> QueryInt(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (const int code = sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr); code != SQLITE_OK) {
    return Fail(MakeError(db, code, "prepare"));
  }
  const StatementHandle statement(raw);
  const int code = sqlite3_step(raw);
  if (code == SQLITE_ROW) return sqlite3_column_int64(raw, 0);
  if (code == SQLITE_DONE) return int64_t{0};
  return Fail(MakeError(db, code, "query"));
}

}  // namespace weir::store::sqlite
