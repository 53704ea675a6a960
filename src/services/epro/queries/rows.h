// Reading of rows, shared by the queries.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "services/epro/effects/bind.h"
#include "store/database.h"

namespace weir::epro {

// Resets the statement at the end of a query, however that is left.
class Cursor {
 public:
  explicit Cursor(store::Statement& statement) : statement_(statement) {}
  ~Cursor() { statement_.Reset(); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  base::Result<bool> Next() { return statement_.Step(); }
  const store::Statement& row() const { return statement_; }
  std::string Text(int column) const { return std::string(statement_.Text(column)); }
  std::optional<std::string> OptionalText(int column) const {
    if (statement_.IsNull(column)) return std::nullopt;
    return Text(column);
  }
  std::optional<double> OptionalReal(int column) const {
    if (statement_.IsNull(column)) return std::nullopt;
    return statement_.Real(column);
  }
  std::optional<int64_t> OptionalInt(int column) const {
    if (statement_.IsNull(column)) return std::nullopt;
    return statement_.Int(column);
  }

 private:
  store::Statement& statement_;
};

// Limits and offsets come from outside: what does not fit an INTEGER is as good as the largest.
inline int64_t Clamped(base::Offset offset) {
  return static_cast<int64_t>(std::min<uint64_t>(offset.value(), INT64_MAX));
}

}  // namespace weir::epro
