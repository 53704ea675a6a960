#include "services/epro/report.h"

#include <simdjson.h>

#include <cstring>
#include <memory>

#include "base/clock.h"
#include "services/epro/report_data.h"

namespace weir::epro {
namespace {

constexpr std::string_view kDefaultStudy = "default";
// A parser that had to grow for a large body is not kept: it would hold fourteen times the body.
constexpr size_t kKeptCapacity = 64u << 10;

// simdjson reads up to SIMDJSON_PADDING bytes past the end, so bodies are copied in here.
struct Scratch {
  simdjson::dom::parser tree;
  std::unique_ptr<char[]> padded;
  size_t capacity = 0;
  size_t depth = 0;

  simdjson::error_code Prepare(std::string_view body, size_t depth_max) {
    if (body.size() > capacity || depth != depth_max) {
      capacity = std::max(body.size(), size_t{4096});
      padded.reset(new char[capacity + simdjson::SIMDJSON_PADDING]);
      depth = depth_max;
      if (const auto error = tree.allocate(capacity, depth_max)) return error;
    }
    std::memcpy(padded.get(), body.data(), body.size());
    std::memset(padded.get() + body.size(), ' ', simdjson::SIMDJSON_PADDING);
    return simdjson::SUCCESS;
  }
};

Scratch& ThreadScratch() {
  thread_local std::unique_ptr<Scratch> scratch;
  if (!scratch || scratch->capacity > kKeptCapacity) scratch = std::make_unique<Scratch>();
  return *scratch;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 8259, section 6.
bool IsNumber(std::string_view token) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t from = at;
    while (at < token.size() && IsDigit(token[at])) ++at;
    return at > from;
  };
  if (token.starts_with('-')) ++at;
  const bool zero = token.substr(at).starts_with('0');
  if (zero ? (++at, false) : !digits()) return false;
  if (token.substr(at).starts_with('.') && (++at, !digits())) return false;
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == token.size();
}

// simdjson refuses numbers that 64 bits do not hold; JSON does not bound them, and no field that
// is read here is one. So each becomes a 0 in as many bytes. False: one is not a number of JSON.
bool ZeroNumbers(char* at, const char* end) {
  bool in_string = false;
  while (at != end) {
    if (in_string && *at == '\\') {
      at += std::min<ptrdiff_t>(2, end - at);
      continue;
    }
    if (*at == '"') in_string = !in_string;
    if (in_string || !(IsDigit(*at) || *at == '-')) {
      ++at;
      continue;
    }
    char* const from = at;
    while (at != end && (IsDigit(*at) || std::strchr("+-.eE", *at) != nullptr)) ++at;
    if (!IsNumber({from, static_cast<size_t>(at - from)})) return false;
    std::memset(from, ' ', static_cast<size_t>(at - from));
    *from = '0';
  }
  return true;
}

std::string Malformed(simdjson::error_code error, const ReportLimits& limits) {
  switch (error) {
    case simdjson::EMPTY:
      return "the body is empty; send one JSON object";
    case simdjson::UTF8_ERROR:
      return "the body is not UTF-8";
    case simdjson::NUMBER_ERROR:
      return "a number in the body is not one of JSON";
    case simdjson::DEPTH_ERROR:
      return "the body is nested deeper than " + std::to_string(limits.depth_max) + " levels";
    default:
      return std::string("the body is not JSON: ") + simdjson::error_message(error);
  }
}

// Unicode's Cc: up to U+001F, and U+007F to U+009F, of which the latter begin with C2 in UTF-8.
bool HasControl(std::string_view text) {
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) return true;
    before = byte;
  }
  return false;
}

class FieldReader {
 public:
  FieldReader(const ReportLimits& limits, ParsedReport& out) : limits_(limits), out_(out) {}

  void Id(const char* path, simdjson::dom::element value, bool required, std::string_view* to) {
    if (value.is_null() && !required) return;
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Bad(path, "must be a string");
    if (text.empty() && required) return Bad(path, "must not be empty");
    if (text.size() > limits_.id_bytes_max) {
      return Bad(path, "must be at most " + std::to_string(limits_.id_bytes_max) + " bytes long");
    }
    if (HasControl(text)) return Bad(path, "must not contain control characters");
    *to = text;
  }

  void Time(const char* path, simdjson::dom::element value, std::optional<int64_t>* to) {
    if (value.is_null()) return;
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Bad(path, "must be a string");
    const auto parsed = base::ParseTime(text);
    if (!parsed) return Bad(path, parsed.error().message);
    *to = *parsed;
  }

  void Bad(std::string path, std::string detail) {
    out_.problems.push_back({std::move(path), std::move(detail)});
  }

 private:
  const ReportLimits& limits_;
  ParsedReport& out_;
};

enum Field : unsigned {
  kReportId = 1,
  kPatientId = 2,
  kData = 4,
  kStudyId = 8,
  kSiteId = 16,
  kDoctorId = 32,
  kInstrument = 64,
  kAuthoredAt = 128,
  kOther = 0,
};

Field FieldOf(std::string_view key) {
  if (key == "report_id") return kReportId;
  if (key == "patient_id") return kPatientId;
  if (key == "data") return kData;
  if (key == "study_id") return kStudyId;
  if (key == "site_id") return kSiteId;
  if (key == "doctor_id") return kDoctorId;
  if (key == "instrument") return kInstrument;
  if (key == "authored_at") return kAuthoredAt;
  return kOther;
}

}  // namespace

ParsedReport ParseReport(std::string_view body, const ReportLimits& limits) {
  ParsedReport out;
  Scratch& scratch = ThreadScratch();
  if (const auto error = scratch.Prepare(body, limits.depth_max)) {
    out.malformed = Malformed(error, limits);
    return out;
  }
  simdjson::dom::element root;
  auto error = scratch.tree.parse(scratch.padded.get(), body.size(), false).get(root);
  if (error == simdjson::NUMBER_ERROR &&
      ZeroNumbers(scratch.padded.get(), scratch.padded.get() + body.size())) {
    error = scratch.tree.parse(scratch.padded.get(), body.size(), false).get(root);
  }
  if (error) {
    out.malformed = Malformed(error, limits);
    return out;
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) {
    out.malformed = "the body must be one JSON object";
    return out;
  }
  FieldReader reader(limits, out);
  Report& report = out.report;
  report.study_id = kDefaultStudy;
  unsigned seen = 0;
  for (const auto& [key, value] : object) {
    const Field field = FieldOf(key);
    if (seen & field) {
      reader.Bad(std::string(key), "is given twice");
      continue;
    }
    seen |= field;
    switch (field) {
      case kReportId:
        reader.Id("report_id", value, true, &report.report_id);
        break;
      case kPatientId:
        reader.Id("patient_id", value, true, &report.patient_id);
        break;
      case kStudyId:
        reader.Id("study_id", value, false, &report.study_id);
        if (report.study_id.empty()) report.study_id = kDefaultStudy;
        break;
      case kSiteId:
        reader.Id("site_id", value, false, &report.site_id);
        break;
      case kDoctorId:
        reader.Id("doctor_id", value, false, &report.doctor_id);
        break;
      case kInstrument:
        reader.Id("instrument", value, false, &report.instrument);
        break;
      case kAuthoredAt:
        reader.Time("authored_at", value, &report.authored_ms);
        break;
      case kData:
        if (!value.is_string() && !value.is_object()) {
          reader.Bad("data", "must be text, or an object of answers by link id");
        }
        break;
      case kOther:
        break;
    }
  }
  if (!(seen & kReportId)) reader.Bad("report_id", "is missing");
  if (!(seen & kPatientId)) reader.Bad("patient_id", "is missing");
  if (!(seen & kData)) reader.Bad("data", "is missing");
  if (out.problems.empty()) {
    report.data_json = ReportData(body);
    if (report.data_json.empty()) out.malformed = "the value of data could not be read";
  }
  return out;
}

}  // namespace weir::epro
