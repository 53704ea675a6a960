// The header block of a request that is sent again and again over one connection, as HPACK
// (RFC 7541).
//
// On a connection the first block adds every field to the peer's table, and each later one is as
// many bytes as there are fields, as clients that keep a connection have it. Where the peer's table
// is too small for that, the fields are sent as they are each time. Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::surge {

class Http2Head {
 public:
  static constexpr size_t kTableBytes = 4096;  // of a connection until the peer wants less

  using Fields = std::vector<std::pair<std::string, std::string>>;
  // Names in lower case, those that begin with ":" first.
  explicit Http2Head(const Fields& fields);

  std::string_view first() const { return first_; }
  std::string_view later() const { return later_; }
  std::string_view plain() const { return plain_; }  // changes no table
  // Whether first() and later() can be used where the peer's table holds `bytes`.
  bool fits(size_t bytes) const { return entry_bytes_ <= bytes; }

 private:
  std::string first_, later_, plain_;
  size_t entry_bytes_ = 0;
};

// What must precede the first block after the peer has asked for a table of `bytes` (section 6.3).
std::string TableSizeUpdate(size_t bytes);

}  // namespace weir::surge
