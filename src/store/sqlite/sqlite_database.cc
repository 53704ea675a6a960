#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "store/database.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/handle.h"

namespace weir::store {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using sqlite::Exec;
using sqlite::Handle;
using sqlite::OpenHandle;
using sqlite::QueryInt;

// Of each reader: readers look at few pages and there are several of them.
constexpr size_t kReaderCacheBytes = 2u << 20;

constexpr const char* kMigrationTable =
    "CREATE TABLE IF NOT EXISTS migration("
    "number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT";

class SqliteDatabase final : public Database {
 public:
  explicit SqliteDatabase(SqliteOptions options) : options_(std::move(options)) {}

  Result<std::unique_ptr<Connection>> OpenWriter() override {
    WEIR_ASSIGN_OR_RETURN(Handle db, OpenHandle(options_.path));
    WEIR_RETURN_IF_ERROR(SetCache(db.get(), options_.cache_bytes));
    WEIR_RETURN_IF_ERROR(Bound(db.get()));
    return std::make_unique<sqlite::SqliteConnection>(std::move(db), true);
  }

  Result<std::unique_ptr<Connection>> OpenReader() override {
    WEIR_ASSIGN_OR_RETURN(Handle db, OpenHandle(options_.path));
    WEIR_RETURN_IF_ERROR(SetCache(db.get(), kReaderCacheBytes));
    WEIR_RETURN_IF_ERROR(Exec(db.get(), "PRAGMA query_only=ON"));
    return std::make_unique<sqlite::SqliteConnection>(std::move(db), false);
  }

  Status Migrate(std::span<const Migration> migrations) override {
    WEIR_ASSIGN_OR_RETURN(auto connection, OpenWriter());
    WEIR_RETURN_IF_ERROR(connection->Execute(kMigrationTable));
    WEIR_ASSIGN_OR_RETURN(const std::vector<int> applied, Applied(*connection));
    WEIR_RETURN_IF_ERROR(RefuseNewer(applied, migrations));
    std::vector<Migration> ordered(migrations.begin(), migrations.end());
    std::ranges::sort(ordered, {}, &Migration::number);
    for (const Migration& migration : ordered) {
      if (std::ranges::binary_search(applied, migration.number)) continue;
      WEIR_RETURN_IF_ERROR(Apply(*connection, migration));
    }
    return {};
  }

 private:
  static Status SetCache(sqlite3* db, size_t bytes) {
    return Exec(db, "PRAGMA cache_size=-" + std::to_string(bytes / 1024));
  }

  // The bound is the connection's, not the file's: it is set each time the writer opens.
  Status Bound(sqlite3* db) const {
    if (options_.size_bytes_max <= 0) return {};
    WEIR_ASSIGN_OR_RETURN(const int64_t page_bytes, QueryInt(db, "PRAGMA page_size"));
    const int64_t pages = std::max<int64_t>(1, options_.size_bytes_max / page_bytes);
    return Exec(db, "PRAGMA max_page_count=" + std::to_string(pages));
  }

  static Result<std::vector<int>> Applied(Connection& connection) {
    WEIR_ASSIGN_OR_RETURN(Statement * select,
                          connection.Prepare("SELECT number FROM migration ORDER BY number"));
    std::vector<int> numbers;
    for (;;) {
      WEIR_ASSIGN_OR_RETURN(const bool row, select->Step());
      if (!row) break;
      numbers.push_back(static_cast<int>(select->Int(0)));
    }
    select->Reset();
    return numbers;
  }

  Status RefuseNewer(const std::vector<int>& applied, std::span<const Migration> known) const {
    for (const int number : applied) {
      if (std::ranges::find(known, number, &Migration::number) != known.end()) continue;
      return Fail(ErrorCode::kUnsupported,
                  "the store " + options_.path + " has migration " + std::to_string(number) +
                      ", which this program does not know: use the program that wrote it, or " +
                      "make the store again with `weir rebuild`");
    }
    return {};
  }

  static Status Apply(Connection& connection, const Migration& migration) {
    WEIR_RETURN_IF_ERROR(connection.Begin());
    Status status = connection.Execute(migration.sql);
    if (status) status = Note(connection, migration);
    if (status) status = connection.Commit();
    if (!status) {
      connection.Rollback();
      return Fail(status.error().code, "migration " + std::to_string(migration.number) + " (" +
                                           std::string(migration.name) +
                                           "): " + status.error().message);
    }
    return {};
  }

  static Status Note(Connection& connection, const Migration& migration) {
    WEIR_ASSIGN_OR_RETURN(Statement * insert,
                          connection.Prepare("INSERT INTO migration(number, name) VALUES(?, ?)"));
    insert->Bind(1, int64_t{migration.number}).BindText(2, migration.name);
    return insert->Run();
  }

  const SqliteOptions options_;
};

Status SyncDirectoryOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  const int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) {
    const std::string cause = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return Fail(ErrorCode::kIo, "sync the folder of " + path + ": " + cause);
  }
  ::close(fd);
  return {};
}

// Copies everything into the file itself, so that no log beside it is needed any more.
Status FoldLog(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(Handle db, OpenHandle(path));
  return Exec(db.get(), "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
}

}  // namespace

Result<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options) {
  WEIR_RETURN_IF_ERROR(OpenHandle(options.path));  // says at once whether it is a store
  return std::make_unique<SqliteDatabase>(options);
}

Status ReplaceSqlite(const std::string& fresh, const std::string& path) {
  WEIR_RETURN_IF_ERROR(FoldLog(fresh));
  // A log left beside the old file would be taken for the new one's. An old store that cannot be
  // opened has nothing in its log worth keeping.
  if (std::filesystem::exists(path)) (void)FoldLog(path);
  for (const char* suffix : {"-wal", "-shm"}) {
    std::error_code ignored;
    std::filesystem::remove(path + suffix, ignored);
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    return Fail(ErrorCode::kIo, "rename " + fresh + ": " + std::strerror(errno));
  }
  return SyncDirectoryOf(path);
}

void RemoveSqlite(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;
    std::filesystem::remove(path + suffix, ignored);
  }
}

}  // namespace weir::store
