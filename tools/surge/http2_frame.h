// Frames of HTTP/2 (RFC 9113, sections 4 and 6) as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::surge {

inline constexpr size_t kFrameHeadBytes = 9;
inline constexpr size_t kFrameBytesMax = 16384;  // of content, in both directions

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
enum FrameFlag : uint8_t {
  kAck = 1,
  kEndStream = 1,
  kEndHeaders = 4,
  kPadded = 8,
  kHasPriority = 32,
};
enum SettingId : uint16_t {
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
};

struct Frame {
  uint8_t type = 0;
  uint8_t flags = 0;
  int32_t stream = 0;
  std::string_view content;
};

inline uint32_t ReadUint32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

inline void AppendUint32(std::string& out, uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof bytes);
}

// Of the frame that `head`, kFrameHeadBytes long, begins.
inline size_t ContentBytes(std::string_view head) { return ReadUint32(head) >> 8; }

inline Frame ReadFrame(std::string_view whole) {
  return {static_cast<uint8_t>(whole[3]), static_cast<uint8_t>(whole[4]),
          static_cast<int32_t>(ReadUint32(whole.substr(5)) & 0x7fffffff),
          whole.substr(kFrameHeadBytes)};
}

inline void AppendFrameHead(std::string& out, size_t content_bytes, uint8_t type, uint8_t flags,
                            int32_t stream) {
  const auto size = static_cast<uint32_t>(content_bytes);
  const auto id = static_cast<uint32_t>(stream);
  const char bytes[] = {
      static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size),
      static_cast<char>(type),       static_cast<char>(flags),     static_cast<char>(id >> 24),
      static_cast<char>(id >> 16),   static_cast<char>(id >> 8),   static_cast<char>(id)};
  out.append(bytes, sizeof bytes);
}

inline void AppendSetting(std::string& out, uint16_t id, uint32_t value) {
  out += static_cast<char>(id >> 8);
  out += static_cast<char>(id);
  AppendUint32(out, value);
}

}  // namespace weir::surge
