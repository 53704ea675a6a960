#include "net/client/otlp_json.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "base/json_writer.h"
#include "net/client/client.h"

namespace weir::net {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, and gzip's header
constexpr int kStatusError = 2;       // STATUS_CODE_ERROR

void WriteText(base::JsonWriter& json, std::string_view key, std::string_view text) {
  json.BeginObject().Key("key").String(key);
  json.Key("value").BeginObject().Key("stringValue").String(text).EndObject().EndObject();
}

void WriteAttribute(base::JsonWriter& json, const observe::SpanAttribute& attribute) {
  if (!attribute.is_number) return WriteText(json, attribute.key, attribute.text);
  json.BeginObject().Key("key").String(attribute.key);
  json.Key("value").BeginObject();
  json.Key("intValue").String(std::to_string(attribute.number)).EndObject().EndObject();
}

std::string Hex(const observe::SpanId& id) {
  std::string hex;
  id.AppendHex(hex);
  return hex;
}

void WriteSpan(base::JsonWriter& json, const observe::Span& span, int64_t unix_minus_steady_ns) {
  json.BeginObject();
  json.Key("traceId").String(span.of.trace.hex());
  json.Key("spanId").String(Hex(span.id));
  if (!span.of.parent.none()) json.Key("parentSpanId").String(Hex(span.of.parent));
  if (!span.of.state.empty()) json.Key("traceState").String(span.of.state);
  json.Key("name").String(span.name.text());
  json.Key("kind").Number(static_cast<int>(span.kind));
  const int64_t end_ns = std::max(span.start_ns, span.end_ns);
  json.Key("startTimeUnixNano").String(std::to_string(span.start_ns + unix_minus_steady_ns));
  json.Key("endTimeUnixNano").String(std::to_string(end_ns + unix_minus_steady_ns));
  json.Key("attributes").BeginArray();
  for (const auto& attribute : span.attributes) WriteAttribute(json, attribute);
  json.EndArray();
  if (span.failed) json.Key("status").BeginObject().Key("code").Number(kStatusError).EndObject();
  json.EndObject();
}

}  // namespace

std::string OtlpTraces(const OtlpResource& resource, std::span<const observe::Span> spans,
                       int64_t unix_minus_steady_ns) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject().Key("resourceSpans").BeginArray().BeginObject();
  json.Key("resource").BeginObject().Key("attributes").BeginArray();
  WriteText(json, "service.name", resource.service_name);
  WriteText(json, "service.version", resource.service_version);
  json.EndArray().EndObject();
  json.Key("scopeSpans").BeginArray().BeginObject();
  json.Key("scope").BeginObject().Key("name").String("weir").EndObject();
  json.Key("spans").BeginArray();
  for (const observe::Span& span : spans) WriteSpan(json, span, unix_minus_steady_ns);
  json.EndArray().EndObject().EndArray().EndObject().EndArray().EndObject();
  return out;
}

uint64_t RejectedSpans(std::string_view answer) {
  constexpr std::string_view kName = "\"rejectedSpans\"";
  const size_t at = answer.find(kName);
  if (at == std::string_view::npos) return 0;
  answer.remove_prefix(at + kName.size());
  // Proto3's JSON has the number as a text; some collectors leave the quotes out.
  while (!answer.empty() && std::string_view(": \"\t\r\n").find(answer.front()) != answer.npos) {
    answer.remove_prefix(1);
  }
  uint64_t rejected = 0;
  std::from_chars(answer.data(), answer.data() + answer.size(), rejected);
  return rejected;
}

base::Result<std::string> Gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return base::Fail(base::ErrorCode::kUnavailable, "no memory to compress");
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  if (done != Z_STREAM_END) return base::Fail(base::ErrorCode::kUnavailable, "cannot compress");
  return out;
}

std::string OtlpTracesUrl(std::string_view endpoint) {
  std::string url(endpoint);
  size_t scheme = url.find("://");
  if (scheme == std::string::npos) {
    const std::string plain = "http://" + url;
    url = CheckUrl(plain) ? plain : "https://" + url;
    scheme = url.find("://");
  }
  const size_t path = url.find('/', scheme + 3);
  if (path == std::string::npos) return url + "/v1/traces";
  if (path + 1 == url.size()) return url + "v1/traces";
  return url;
}

}  // namespace weir::net
