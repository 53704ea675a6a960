// The dense number of a record in the journal: 0, 1, 2 …
#pragma once

#include <compare>
#include <cstdint>

namespace weir::base {

class Offset {
 public:
  constexpr Offset() = default;
  constexpr explicit Offset(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }

  constexpr auto operator<=>(const Offset&) const = default;
  constexpr Offset operator+(uint64_t count) const { return Offset(value_ + count); }
  constexpr uint64_t operator-(Offset earlier) const { return value_ - earlier.value_; }
  constexpr Offset& operator++() {
    ++value_;
    return *this;
  }

 private:
  uint64_t value_ = 0;
};

}  // namespace weir::base
