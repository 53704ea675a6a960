// Reads a JSON text once, forwards, in place: what answers are read with.
//
// A patient's report must be understood as far as it can be: one number too large for a double, or
// half a surrogate pair in a comment, must not hide the answers beside it. So this reader judges
// each value for itself where a document parser would refuse the whole text, and after the first
// thing that is not JSON it stops (failed()) with all that came before already read.
//
// No allocation, no padding; strings are views between their quotes. Nesting deeper than
// kDepthMax fails.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace weir::clinical {

// What stands between the quotes.
struct JsonString {
  std::string_view raw;
  bool escaped = false;
};

// With escapes resolved; never longer than `raw`. Half a surrogate pair becomes U+FFFD.
std::string Unescape(std::string_view raw);

// The finite double that a JSON number, or a trimmed text, stands for.
std::optional<double> ToDouble(std::string_view token);

class JsonReader {
 public:
  static constexpr int kDepthMax = 64;
  enum class Kind : uint8_t { kObject, kArray, kString, kNumber, kTrue, kFalse, kNull, kNone };

  explicit JsonReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // What comes next; kNone: the end, or nothing that starts a value.
  Kind Peek() {
    SkipSpace();
    if (at_ == end_) return Kind::kNone;
    switch (*at_) {
      case '{':
        return Kind::kObject;
      case '[':
        return Kind::kArray;
      case '"':
        return Kind::kString;
      case 't':
        return Kind::kTrue;
      case 'f':
        return Kind::kFalse;
      case 'n':
        return Kind::kNull;
      default:
        return *at_ == '-' || (*at_ >= '0' && *at_ <= '9') ? Kind::kNumber : Kind::kNone;
    }
  }
  // Where the next value starts, or the last one ended.
  const char* at() const { return at_; }

  // Each takes the value that Peek() announced; on anything else it fails.
  void BeginObject() { Begin('{'); }
  void BeginArray() { Begin('['); }
  bool NextMember(JsonString* key);  // false: the object is over, or failed()
  bool NextElement();                // false: the array is over, or failed()
  JsonString String();
  std::string_view Number();
  void Literal();  // true, false, null
  void Skip();     // any value

  bool failed() const { return failed_; }
  // Nothing but white space is left.
  bool AtEnd() {
    SkipSpace();
    return at_ == end_;
  }

 private:
  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void Fail() {
    failed_ = true;
    at_ = end_;
  }
  void Begin(char open);
  bool Next(char close);

  const char* at_;
  const char* end_;
  int depth_ = 0;
  bool first_ = false;  // a container was opened and nothing in it read yet
  bool failed_ = false;
};

}  // namespace weir::clinical
