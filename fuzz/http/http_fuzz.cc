// Any bytes as what a client sends: answered in order or refused, within the limits; and the
// answers are the same in whatever pieces the bytes arrive.
//
// The first byte of an input says how long the pieces are; the rest is the connection's bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/server/opening.h"
#include "net/server/server_test_support.h"

namespace {

using weir::net::ConnectionId;
using weir::net::LoopHarness;

weir::net::Limits SmallLimits() {
  weir::net::Limits limits;
  limits.header_bytes_max = 512;
  limits.body_bytes_max = 2048;
  limits.pipeline_max = 4;
  limits.send_buffer_bytes_max = 4096;
  limits.body_memory_bytes_max = 64u << 10;
  return limits;
}

// Whether a client that sends all at once is told to go on is the server's to say.
std::string WithoutContinue(std::string text) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (size_t at; (at = text.find(kContinue)) != std::string::npos;)
    text.erase(at, kContinue.size());
  return text;
}

std::string Answers(std::string_view bytes, size_t piece) {
  LoopHarness harness(SmallLimits());
  const ConnectionId id = harness.Connect();
  while (!bytes.empty() && !harness.closed(id)) {
    const std::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    harness.Receive(id, next);
  }
  return WithoutContinue(harness.Sent(id));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (weir::net::LookAtOpening(bytes, "") != weir::net::Opening::kHttp1) return 0;  // fuzz/http2
  const std::string whole = Answers(bytes, SIZE_MAX);
  WEIR_CHECK(whole.empty() || whole.starts_with("HTTP/1."));
  const std::string pieces = Answers(bytes, size_t{data[0]} + 1);
  WEIR_CHECK_MSG(pieces == whole, "whole: " + whole + "\nin pieces: " + pieces);
  return 0;
}
