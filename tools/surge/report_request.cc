#include "tools/surge/report_request.h"

#include <cstring>

#include "base/json_writer.h"
#include "tools/surge/options.h"

namespace weir::surge {
namespace {

// Patients belong to one of these sites and doctors, numbered in two digits.
constexpr uint64_t kSites = 20;
constexpr uint64_t kDoctors = 100;

void WriteTwoDigits(uint64_t value, char* to) {
  to[0] = static_cast<char>('0' + value / 10);
  to[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string CommonHeaders(const Options& options) {
  std::string out = "Host: " + options.host + ":" + std::to_string(options.port) + "\r\n";
  if (!options.token.empty()) out += "Authorization: Bearer " + options.token + "\r\n";
  return out;
}

Http2Head SubmissionHead(const Options& options, size_t body_bytes) {
  Http2Head::Fields fields{{":method", "POST"},
                           {":scheme", options.tls ? "https" : "http"},
                           {":authority", options.host + ":" + std::to_string(options.port)},
                           {":path", options.path},
                           {"user-agent", "weir-surge"},
                           {"content-type", "application/json"},
                           {"content-length", std::to_string(body_bytes)}};
  if (!options.token.empty()) fields.emplace_back("authorization", "Bearer " + options.token);
  return Http2Head(fields);
}

ReportRequest::ReportRequest(const Plan& plan, const Options& options) : plan_(plan) {
  const std::string body = MakeBody(options);
  const auto header = [&](const std::string& comment) {
    return "POST " + options.path + " HTTP/1.1\r\n" + CommonHeaders(options) +
           "User-Agent: weir-surge" + comment + "\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  };
  text_ = header("");
  const size_t bare = text_.size() + body.size();
  // " (x)" is the shortest comment.
  if (bare + 4 <= kWantedBytes) {
    text_ = header(" (" + std::string(kWantedBytes - bare - 3, '+') + ")");
  }
  header_bytes_ = text_.size();
  text_ += body;
  for (size_t* at : {&report_id_at_, &patient_id_at_, &site_at_, &doctor_at_}) *at += header_bytes_;
  for (size_t& at : answers_at_) at += header_bytes_;
}

std::string ReportRequest::MakeBody(const Options& options) {
  std::string body = "{\"report_id\":\"";
  const auto place = [&](size_t bytes) {
    const size_t at = body.size();
    body.append(bytes, '0');
    return at;
  };
  report_id_at_ = place(Plan::kReportIdBytes);
  body += "\",\"patient_id\":\"p-";
  patient_id_at_ = place(Plan::kPatientIdBytes);
  if (!options.study.empty()) {
    body += "\",\"study_id\":\"";
    base::AppendJsonEscaped(body, options.study);
  }
  body += "\",\"site_id\":\"s";
  site_at_ = place(2);
  body += "\",\"doctor_id\":\"d";
  doctor_at_ = place(2);
  const Instrument& instrument = plan_.instrument();
  if (instrument.name.empty()) {
    body += "\",\"data\":\"Slept badly again, no appetite; otherwise as last week.\"}";
    return body;
  }
  body.append("\",\"instrument\":\"").append(instrument.name).append("\",\"data\":{");
  for (const std::string_view link_id : instrument.link_ids) {
    if (!answers_at_.empty()) body += ',';
    body.append("\"").append(link_id).append("\":\"");
    answers_at_.push_back(place(kAnswerCodes[0].size()));
    body += '"';
  }
  body += "}}";
  return body;
}

std::string_view ReportRequest::Render(uint64_t index) {
  if (index == rendered_) return text_;
  rendered_ = index;
  char* const text = text_.data();
  plan_.WriteReportId(index, text + report_id_at_);
  const uint64_t patient = plan_.PatientOf(index);
  plan_.WritePatientId(patient, text + patient_id_at_);
  WriteTwoDigits(patient % kSites, text + site_at_);
  WriteTwoDigits(patient % kDoctors, text + doctor_at_);
  const auto answers = plan_.Answers(index);
  for (size_t i = 0; i < answers.size(); ++i) {
    std::memcpy(text + answers_at_[i], kAnswerCodes[answers[i]].data(), kAnswerCodes[0].size());
  }
  return text_;
}

}  // namespace weir::surge
