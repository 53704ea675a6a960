#include "tools/surge/http2_answer_heads.h"

#include <charconv>

#include "base/check.h"

namespace weir::surge {
namespace {

// Past one integer with a prefix of `bits` at `at`; false: it does not end.
bool ReadInteger(std::string_view block, size_t& at, unsigned bits, size_t& value) {
  constexpr unsigned kShiftMax = 28;
  const size_t prefix_max = (size_t{1} << bits) - 1;
  if (at >= block.size()) return false;
  value = static_cast<unsigned char>(block[at++]) & prefix_max;
  if (value < prefix_max) return true;
  for (unsigned shift = 0; at < block.size() && shift <= kShiftMax; shift += 7) {
    const auto byte = static_cast<unsigned char>(block[at++]);
    value += static_cast<size_t>(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

bool SkipString(std::string_view block, size_t& at) {
  size_t size = 0;
  if (!ReadInteger(block, at, 7, size) || size > block.size() - at) return false;
  at += size;
  return true;
}

template <class T>
bool ParseWhole(std::string_view text, T& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool ChangesTable(std::string_view block) {
  for (size_t at = 0; at < block.size();) {
    const auto byte = static_cast<unsigned char>(block[at]);
    size_t index = 0;
    if (byte & 0x80) {
      if (!ReadInteger(block, at, 7, index)) return true;
      continue;
    }
    if (byte & 0x60) return true;  // a literal that is to be kept, or a change of the table's size
    if (!ReadInteger(block, at, 4, index)) return true;
    if (index == 0 && !SkipString(block, at)) return true;
    if (!SkipString(block, at)) return true;
  }
  return false;
}

Http2AnswerHeads::Http2AnswerHeads() { WEIR_CHECK(nghttp2_hd_inflate_new(&inflater_) == 0); }

Http2AnswerHeads::~Http2AnswerHeads() { nghttp2_hd_inflate_del(inflater_); }

std::optional<Http2AnswerHeads::Head> Http2AnswerHeads::Read(std::string_view block) {
  for (const Known& known : known_) {
    if (!known.block.empty() && known.block == block) return known.head;
  }
  const std::optional<Head> head = Decode(block);
  if (!head) return std::nullopt;
  if (ChangesTable(block)) {
    for (Known& known : known_) known.block.clear();
  } else {
    known_[next_].block = block;
    known_[next_].head = *head;
    next_ = (next_ + 1) % known_.size();
  }
  return head;
}

std::optional<Http2AnswerHeads::Head> Http2AnswerHeads::Decode(std::string_view block) {
  Head head;
  const auto* at = reinterpret_cast<const uint8_t*>(block.data());
  const auto* const end = at + block.size();
  for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
    nghttp2_nv field;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at,
                                                static_cast<size_t>(end - at), /*in_final=*/1);
    if (used < 0) return std::nullopt;
    at += used;
    if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) continue;
    const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
    const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
    if (name == ":status" && !ParseWhole(value, head.status)) return std::nullopt;
    unsigned seconds = 0;
    if (name == "retry-after" && ParseWhole(value, seconds)) head.retry_after_s = seconds;
  }
  nghttp2_hd_inflate_end_headers(inflater_);
  return head;
}

}  // namespace weir::surge
