// Owns an SQLite handle, and turns its result codes into errors of the store.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::store::sqlite {

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, CloseDatabase>;
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

// Opens (and creates, 0600) the file in WAL mode, with synchronous FULL: a commit survives power
// loss, because what leaves the program follows from commits.
base::Result<Handle> OpenHandle(const std::string& path);

// The class of a result code, see database.h. The message is SQLite's own, which names tables and
// columns and never values.
base::Error MakeError(sqlite3* db, int code, std::string_view doing);

base::Status Exec(sqlite3* db, const std::string& sql);
// The first column of the first row; 0 if there is none.
base::Result<int64_t> QueryInt(sqlite3* db, const std::string& sql);

}  // namespace weir::store::sqlite
