// The POST of a report, rendered once; for each report only the ids and answers are patched in.
//
// The whole request is 560 bytes where the names given leave room for it, which is the size that
// all figures of this project are measured with; the rest is a comment in the User-Agent header.
// One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/surge/http2_head.h"
#include "tools/surge/plan.h"

namespace weir::surge {

struct Options;

class ReportRequest {
 public:
  static constexpr size_t kWantedBytes = 560;

  ReportRequest(const Plan& plan, const Options& options);

  // The request of report `index`; valid until the next call.
  std::string_view Render(uint64_t index);
  // Its body alone.
  std::string_view RenderBody(uint64_t index) { return Render(index).substr(header_bytes_); }
  size_t bytes() const { return text_.size(); }
  size_t body_bytes() const { return text_.size() - header_bytes_; }

 private:
  std::string MakeBody(const Options& options);

  const Plan& plan_;
  std::string text_;
  size_t header_bytes_ = 0;
  uint64_t rendered_ = UINT64_MAX;
  // Positions in text_.
  size_t report_id_at_ = 0;
  size_t patient_id_at_ = 0;
  size_t site_at_ = 0;
  size_t doctor_at_ = 0;
  std::vector<size_t> answers_at_;
};

// The header of every such request over HTTP/2.
Http2Head SubmissionHead(const Options& options, size_t body_bytes);

// "Host: …" and, with a token, "Authorization: …", each with its line end.
std::string CommonHeaders(const Options& options);

}  // namespace weir::surge
