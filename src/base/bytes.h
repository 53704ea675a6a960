// Little-endian fixed-width integers in byte strings, and hexadecimal. Every length that was read
// from outside goes through ByteReader, which never reads past its end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace weir::base {

static_assert(std::endian::native == std::endian::little, "the formats are written natively");

template <class T>
void PutInt(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <class T>
void AppendInt(std::string& out, T value) {
  char buffer[sizeof value];
  PutInt(buffer, value);
  out.append(buffer, sizeof value);
}
template <class T>
T GetInt(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Reads integers and byte strings one after the other. After the first read past the end ok() is
// false and every further read yields zero or nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T Int() {
    if (rest_.size() < sizeof(T)) return Exhausted<T>();
    const T value = GetInt<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view Bytes(size_t size) {
    if (rest_.size() < size) return Exhausted<std::string_view>();
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  template <class T>
  T Exhausted() {
    ok_ = false;
    rest_ = {};
    return T{};
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::string ToHex(std::string_view bytes);
void AppendHex(std::string& out, std::string_view bytes);
// False unless `hex` is exactly twice as long as `out` and hexadecimal.
bool FromHex(std::string_view hex, std::span<uint8_t> out);

}  // namespace weir::base
