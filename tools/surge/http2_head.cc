#include "tools/surge/http2_head.h"

#include <algorithm>

namespace weir::surge {
namespace {

constexpr size_t kEntryOverhead = 32;  // RFC 7541, section 4.1
constexpr uint64_t kFirstDynamic = 62;

// The static table (RFC 7541, appendix A), as far as a request of ours meets it.
struct StaticEntry {
  uint64_t index;
  std::string_view name, value;
};
constexpr StaticEntry kStatic[] = {
    {1, ":authority", ""},    {2, ":method", "GET"},     {3, ":method", "POST"},
    {4, ":path", "/"},        {6, ":scheme", "http"},    {7, ":scheme", "https"},
    {19, "accept", ""},       {23, "authorization", ""}, {28, "content-length", ""},
    {31, "content-type", ""}, {58, "user-agent", ""}};

// An integer with a prefix of `bits`, the bits above which are `pattern` (section 5.1).
void AppendInteger(std::string& out, uint8_t pattern, unsigned bits, uint64_t value) {
  const uint64_t prefix_max = (1u << bits) - 1;
  if (value < prefix_max) {
    out += static_cast<char>(pattern | value);
    return;
  }
  out += static_cast<char>(pattern | prefix_max);
  for (value -= prefix_max; value >= 128; value /= 128) {
    out += static_cast<char>(128 | value % 128);
  }
  out += static_cast<char>(value);
}

// Not Huffman-coded: what little that would save is saved once a connection.
void AppendString(std::string& out, std::string_view text) {
  AppendInteger(out, 0, 7, text.size());
  out += text;
}

void AppendLiteral(std::string& out, uint8_t pattern, unsigned bits, std::string_view name,
                   std::string_view value) {
  const auto* const known = std::ranges::find(kStatic, name, &StaticEntry::name);
  AppendInteger(out, pattern, bits, known == std::end(kStatic) ? 0 : known->index);
  if (known == std::end(kStatic)) AppendString(out, name);
  AppendString(out, value);
}

}  // namespace

Http2Head::Http2Head(const Fields& fields) {
  const auto whole = [](const auto& field) {
    return std::ranges::find_if(kStatic, [&](const StaticEntry& entry) {
      return entry.name == field.first && entry.value == field.second && !entry.value.empty();
    });
  };
  uint64_t added = 0;
  for (const auto& field : fields) added += whole(field) == std::end(kStatic);
  for (const auto& field : fields) {
    if (const auto* const entry = whole(field); entry != std::end(kStatic)) {
      for (std::string* block : {&first_, &later_, &plain_}) {
        AppendInteger(*block, 0x80, 7, entry->index);
      }
      continue;
    }
    const auto& [name, value] = field;
    AppendLiteral(first_, 0x40, 6, name, value);
    AppendLiteral(plain_, 0x00, 4, name, value);
    // The newest entry of the table is its first.
    AppendInteger(later_, 0x80, 7, kFirstDynamic + --added);
    entry_bytes_ += name.size() + value.size() + kEntryOverhead;
  }
}

std::string TableSizeUpdate(size_t bytes) {
  std::string out;
  AppendInteger(out, 0x20, 5, bytes);
  return out;
}

}  // namespace weir::surge
