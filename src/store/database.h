// A relational store: one writer, several readers, statements with ? parameters.
//
// The store is derived from the journal; what is committed here survives power loss, and rows and
// cursors that belong together are written in one Transaction. sqlite/ implements it; SQL that is
// not portable stays in the folder of its database.
//
// Threads: a Connection belongs to one thread at a time. Errors: kNoSpace, kUnavailable (locked,
// busy, away) are the environment's and worth another try; kInvalidArgument (a constraint, a
// datatype) is the row's own; kCorruption and kIo are final.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::store {

class Statement {
 public:
  virtual ~Statement() = default;
  // Index from 1. Text and blobs must live until the next Reset().
  virtual Statement& Bind(int index, int64_t value) = 0;
  virtual Statement& Bind(int index, double value) = 0;
  virtual Statement& BindText(int index, std::string_view value) = 0;
  virtual Statement& BindBlob(int index, std::string_view value) = 0;
  virtual Statement& BindNull(int index) = 0;
  // True: a row is there to be read. False: done.
  virtual base::Result<bool> Step() = 0;
  // Step() to the end, then Reset(): for statements without rows.
  virtual base::Status Run() = 0;
  virtual void Reset() = 0;
  // Column index from 0; views live until the next Step() or Reset().
  virtual bool IsNull(int column) const = 0;
  virtual int64_t Int(int column) const = 0;
  virtual double Real(int column) const = 0;
  virtual std::string_view Text(int column) const = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // Prepared once and kept; the reference lives as long as the connection.
  virtual base::Result<Statement*> Prepare(std::string_view sql) = 0;
  virtual base::Status Execute(std::string_view sql) = 0;  // one or several statements
  virtual base::Status Begin() = 0;
  virtual base::Status Commit() = 0;
  virtual void Rollback() = 0;
  virtual base::Status Savepoint() = 0;  // one at a time, inside a transaction
  virtual base::Status ReleaseSavepoint() = 0;
  virtual void RollbackToSavepoint() = 0;  // and releases it
  virtual int64_t Changes() const = 0;     // rows touched by the last statement
  // A statement that is still running then fails with kDeadline (steady clock; 0: none does).
  virtual void SetDeadline(int64_t deadline_ns) = 0;
};

// Schema changes, applied in order, each in a transaction of its own with its number.
struct Migration {
  int number;
  std::string_view name;
  std::string_view sql;
};

class Database {
 public:
  virtual ~Database() = default;
  virtual base::Result<std::unique_ptr<Connection>> OpenWriter() = 0;  // one at a time
  virtual base::Result<std::unique_ptr<Connection>> OpenReader() = 0;
  // Refuses a store that is newer than the program.
  virtual base::Status Migrate(std::span<const Migration> migrations) = 0;
};

struct SqliteOptions {
  std::string path;
  size_t cache_bytes = 48u << 20;  // of the writer
  int64_t size_bytes_max = 0;      // 0: no bound of its own; past it writes fail with kNoSpace
};
base::Result<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options);

// Puts the store `fresh` in the place of `path`, whole or not at all, in the same folder. Nobody
// may have either open.
base::Status ReplaceSqlite(const std::string& fresh, const std::string& path);
// Removes a store's file and what SQLite keeps beside it, where they exist.
void RemoveSqlite(const std::string& path);

}  // namespace weir::store
