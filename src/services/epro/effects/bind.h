// Binding of what may be missing, and offsets.
#pragma once

#include <cstdint>
#include <optional>

#include "base/offset.h"
#include "store/database.h"

namespace weir::epro {

inline int64_t Number(base::Offset offset) { return static_cast<int64_t>(offset.value()); }
inline base::Offset ToOffset(int64_t number) { return base::Offset(static_cast<uint64_t>(number)); }

inline void BindOptional(store::Statement& statement, int index, std::optional<double> value) {
  value ? statement.Bind(index, *value) : statement.BindNull(index);
}
inline void BindOptional(store::Statement& statement, int index, std::optional<int64_t> value) {
  value ? statement.Bind(index, *value) : statement.BindNull(index);
}
inline void BindOptional(store::Statement& statement, int index,
                         std::optional<base::Offset> value) {
  value ? statement.Bind(index, Number(*value)) : statement.BindNull(index);
}
inline std::optional<base::Offset> OffsetAt(const store::Statement& statement, int column) {
  if (statement.IsNull(column)) return std::nullopt;
  return ToOffset(statement.Int(column));
}

}  // namespace weir::epro
