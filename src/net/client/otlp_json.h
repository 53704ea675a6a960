// Spans as OpenTelemetry's collectors take them: OTLP/HTTP in its JSON encoding (specification 1.3,
// opentelemetry/proto/trace/v1/trace.proto): ids in hexadecimal digits, 64-bit numbers as texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "observe/span.h"

namespace weir::net {

// Who says so: the resource of every span.
struct OtlpResource {
  std::string service_name;
  std::string service_version;
};

// `unix_minus_steady_ns`: what makes a time of the steady clock one since 1970.
std::string OtlpTraces(const OtlpResource& resource, std::span<const observe::Span> spans,
                       int64_t unix_minus_steady_ns);

// How many spans an answer of 200 says were not taken (partialSuccess.rejectedSpans); 0 if it does
// not say so.
uint64_t RejectedSpans(std::string_view answer);

// In the format of gzip.
base::Result<std::string> Gzip(std::string_view bytes);

// Where traces go: `endpoint` with https:// (http:// to a loopback address) if it names no scheme,
// as go-zero's Telemetry.Endpoint does not, and with /v1/traces if it names no path.
std::string OtlpTracesUrl(std::string_view endpoint);

}  // namespace weir::net
