// Any bytes as the frames of an HTTP/2 client, header blocks included, through nghttp2 and our
// callbacks: answered, refused or ended, within the limits, in whatever pieces they arrive.
//
// The first byte of an input says how long the pieces are; the rest follows the preface.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/server/opening.h"
#include "net/server/server_test_support.h"

namespace {

using weir::net::ConnectionId;
using weir::net::LoopHarness;

constexpr size_t kBodyMemoryMax = 64u << 10;

weir::net::Limits SmallLimits() {
  weir::net::Limits limits;
  limits.header_bytes_max = 512;
  limits.body_bytes_max = 2048;
  limits.send_buffer_bytes_max = 4096;
  limits.body_memory_bytes_max = kBodyMemoryMax;
  limits.http2_streams_max = 8;
  limits.http2_resets_max = 8;
  limits.http2_idle_frames_max = 16;
  return limits;
}

void Play(std::string_view bytes, size_t piece) {
  LoopHarness harness(SmallLimits());
  const ConnectionId id = harness.Connect();
  harness.Receive(id, weir::net::kHttp2Preface);
  while (!bytes.empty() && !harness.closed(id)) {
    const std::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    harness.Receive(id, next);
    WEIR_CHECK(harness.loop().memory_held() <= kBodyMemoryMax);
  }
  for (int i = 0; i < 4 && !harness.closed(id); ++i) harness.PassMs(60'000);
  WEIR_CHECK_MSG(harness.closed(id), "a client that says nothing more is not waited for");
  WEIR_CHECK(harness.loop().memory_held() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Play(bytes, SIZE_MAX);
  Play(bytes, size_t{data[0]} + 1);
  return 0;
}
