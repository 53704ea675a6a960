#include "tools/surge/read_back.h"

#include "base/sha256.h"
#include "tools/surge/api_client.h"

namespace weir::surge {

ReadBack::ReadBack(const Plan& plan, const Options& options, Submitter::Share share,
                   const Ledger& ledger, bool expect_applied, Findings& findings,
                   std::atomic<uint64_t>& read)
    : plan_(plan),
      share_(share),
      ledger_(ledger),
      expect_applied_(expect_applied),
      findings_(findings),
      read_(read),
      sent_(plan, options),
      next_(share.worker) {
  request_ = "GET /api/v1/reports/" + PercentEncoded(options.study_name()) + "/";
  id_at_ = request_.size();
  request_.append(Plan::kReportIdBytes, '0');
  request_ += " HTTP/1.1\r\n" + CommonHeaders(options) + "\r\n";
  SkipToAcknowledged();
}

void ReadBack::SkipToAcknowledged() {
  while (next_ < ledger_.size() && !ledger_.acknowledged(next_)) next_ += share_.workers;
}

bool ReadBack::Take(int64_t now_ns, Request& request, int64_t& wake_ns) {
  wake_ns = INT64_MAX;
  if (!again_.empty() && again_.front().at_ns <= now_ns) {
    request.tag = again_.front().tag;
    again_.pop_front();
  } else if (next_ < ledger_.size()) {
    request.tag = next_;
    next_ += share_.workers;
    SkipToAcknowledged();
  } else {
    if (!again_.empty()) wake_ns = again_.front().at_ns;
    return false;
  }
  plan_.WriteReportId(request.tag & kIndexMask, request_.data() + id_at_);
  request.http1 = request_;
  request.body = {};
  request.due_ns = now_ns;
  return true;
}

void ReadBack::Answered(uint64_t tag, int64_t, const Answer& answer, int64_t now_ns) {
  const uint64_t index = tag & kIndexMask;
  if (answer.status == 200) {
    Compare(index, answer.body);
  } else if (answer.status == 404) {
    findings_.Add(Finding::kMissing, plan_.Describe(index) + ": acknowledged at offset " +
                                         std::to_string(ledger_.offset(index)) + ", and not there");
  } else {
    return Again(tag, now_ns, std::to_string(answer.status));
  }
  read_.fetch_add(1, std::memory_order_relaxed);
}

void ReadBack::Lost(uint64_t tag, int64_t, int64_t now_ns) {
  Again(tag, now_ns, "the connection broke");
}

void ReadBack::Again(uint64_t tag, int64_t now_ns, const std::string& why) {
  tag += uint64_t{1} << kAttemptShift;
  if (static_cast<int64_t>(tag >> kAttemptShift) < kAttempts) {
    again_.push_back({now_ns + kAgainNs, tag});
    return;
  }
  findings_.Add(Finding::kMissing,
                plan_.Describe(tag & kIndexMask) + ": could not be read: " + why);
  read_.fetch_add(1, std::memory_order_relaxed);
}

bool ReadBack::Done(int64_t) const { return next_ >= ledger_.size() && again_.empty(); }

void ReadBack::Compare(uint64_t index, std::string_view body) {
  const auto stored = json_.ReadStored(body);
  if (!stored) {
    findings_.Add(Finding::kUnusable, plan_.Describe(index) + ": " + stored.error().message);
    return;
  }
  const std::string_view expected = sent_.RenderBody(index);
  const auto differs = [&](const std::string& how) {
    findings_.Add(Finding::kDifferent, plan_.Describe(index) + ": " + how);
  };
  if (stored->offset != ledger_.offset(index)) {
    findings_.Add(Finding::kDoubled, plan_.Describe(index) + ": acknowledged at offset " +
                                         std::to_string(ledger_.offset(index)) + ", read at " +
                                         std::to_string(stored->offset));
  }
  std::string member = "\"report\":";
  member.append(expected);
  const size_t at = body.find(member);
  const char after = at == std::string_view::npos || at + member.size() >= body.size()
                         ? '\0'
                         : body[at + member.size()];
  if (after != ',' && after != '}') {
    differs("the body is not the one that was sent");
  } else if (stored->sha256 != base::Sha256(expected).hex()) {
    differs("the receipt's hash is not that of the body");
  } else if (stored->report_id != expected.substr(expected.find(':') + 2, Plan::kReportIdBytes)) {
    differs("it is kept under another id");
  }
  if (expect_applied_ && !stored->not_applied.empty()) {
    findings_.Add(Finding::kNotApplied,
                  plan_.Describe(index) + ": by " + std::string(stored->not_applied.front()));
  }
}

}  // namespace weir::surge
