#include "tools/surge/submitter.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/random.h"
#include "base/sha256.h"

namespace weir::surge {
namespace {

constexpr int64_t kWithoutRetryAfterNs = 100'000'000;
constexpr int64_t kJitterMaxNs = 1'000'000'000;
constexpr size_t kDetailBytesMax = 200;
constexpr size_t kHashDigits = 64;

// One thread writes; others only read.
void Add(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

const char* Find(std::string_view text, std::string_view what) {
  return static_cast<const char*>(memmem(text.data(), text.size(), what.data(), what.size()));
}

// Retry-After is in whole seconds: patients who were told the same one come all through it.
int64_t Jittered(int64_t wait_ns, uint64_t tag, int64_t now_ns) {
  uint64_t draw = (tag ^ static_cast<uint64_t>(now_ns)) * 0x9e3779b97f4a7c15;
  draw = (draw ^ draw >> 32) * 0xbf58476d1ce4e5b9;
  const auto most = static_cast<double>(std::min(wait_ns, kJitterMaxNs));
  return wait_ns + static_cast<int64_t>(base::ToFraction(draw) * most);
}

std::atomic<uint64_t>* RetryCounter(int status, Progress& progress) {
  switch (status) {
    case 429:
      return &progress.retried_429;
    case 503:
      return &progress.retried_503;
    case 504:
      return &progress.retried_504;
    case 507:
      return &progress.retried_507;
    default:
      return nullptr;
  }
}

}  // namespace

bool FindReceipt(std::string_view body, Receipt& receipt) {
  constexpr std::string_view kOffset = "\"offset\":";
  constexpr std::string_view kHash = "\"sha256\":\"";
  const char* const end = body.data() + body.size();
  const char* const offset = Find(body, kOffset);
  if (!offset) return false;
  const auto [after, error] = std::from_chars(offset + kOffset.size(), end, receipt.offset);
  if (error != std::errc()) return false;
  const std::string_view rest(after, static_cast<size_t>(end - after));
  const char* const hash = Find(rest, kHash);
  if (!hash || end - hash < static_cast<ptrdiff_t>(kHash.size() + kHashDigits)) return false;
  receipt.sha256 = {hash + kHash.size(), kHashDigits};
  return true;
}

Submitter::Submitter(const Plan& plan, const Options& options, const Schedule& schedule,
                     Share share, Ledger* ledger, Findings& findings, Progress& progress)
    : plan_(plan),
      schedule_(schedule),
      share_(share),
      reports_(options.reports > 0 ? options.reports : UINT64_MAX / 2),
      retry_for_ns_(static_cast<int64_t>(options.retry_for_s * 1e9)),
      check_hashes_(options.verify),
      ledger_(ledger),
      findings_(findings),
      progress_(progress),
      request_(plan, options),
      next_(share.worker) {}

bool Submitter::Take(int64_t now_ns, Request& request, int64_t& wake_ns) {
  Waiting taken;
  wake_ns = INT64_MAX;
  if (!retries_.empty() && retries_.top().at_ns <= now_ns) {
    taken = retries_.top();
    retries_.pop();
  } else if (!repeats_at_once_.empty()) {
    taken = repeats_at_once_.front();
    repeats_at_once_.pop_front();
  } else if (!repeats_later_.empty() && repeats_later_.front().at_ns <= now_ns) {
    taken = repeats_later_.front();
    repeats_later_.pop_front();
  } else if (!TakeFresh(now_ns, taken, wake_ns)) {
    if (!retries_.empty()) wake_ns = std::min(wake_ns, retries_.top().at_ns);
    if (!repeats_later_.empty()) wake_ns = std::min(wake_ns, repeats_later_.front().at_ns);
    return false;
  }
  Add(progress_.sent);
  request.http1 = request_.Render(taken.tag & ~kRepeat);
  request.body = request_.RenderBody(taken.tag & ~kRepeat);
  request.tag = taken.tag;
  request.due_ns = taken.due_ns;
  return true;
}

bool Submitter::TakeFresh(int64_t now_ns, Waiting& taken, int64_t& wake_ns) {
  if (next_ >= reports_) return false;
  int64_t due = now_ns;
  if (schedule_.closed_loop) {
    if (now_ns >= schedule_.end_ns) return false;
  } else {
    due = schedule_.start_ns +
          static_cast<int64_t>(static_cast<double>(next_) * schedule_.interval_ns);
    if (due > now_ns) {
      wake_ns = due;
      return false;
    }
  }
  const uint64_t index = next_;
  next_ += share_.workers;
  switch (plan_.RepeatOf(index)) {
    case Plan::Repeat::kNone:
      break;
    case Plan::Repeat::kAtOnce:
      repeats_at_once_.push_back({due, due, index | kRepeat});
      break;
    case Plan::Repeat::kLater: {
      const int64_t later = due + kRepeatLaterNs;
      repeats_later_.push_back({later, later, index | kRepeat});
      break;
    }
  }
  taken = {due, due, index};
  return true;
}

void Submitter::Answered(uint64_t tag, int64_t due_ns, const Answer& answer, int64_t now_ns) {
  if (answer.status == 202 || answer.status == 200) [[likely]] {
    const bool measured = due_ns >= schedule_.measure_from_ns;
    if (measured) latency_.Record(now_ns - due_ns);
    if (!Acknowledged(tag, answer, now_ns)) return;
    last_acknowledged_ns_ = now_ns;
    Add(progress_.acknowledged);
    if (measured) Add(progress_.measured);
    return;
  }
  std::atomic<uint64_t>* const counter = RetryCounter(answer.status, progress_);
  if (!counter) return Refused(tag, answer);
  Add(*counter);
  const int64_t told = answer.retry_after_s < 0 ? kWithoutRetryAfterNs
                                                : static_cast<int64_t>(answer.retry_after_s * 1e9);
  const int64_t wait = std::min(told, kRetryAfterMaxNs);
  SendAgain(tag, due_ns, now_ns + Jittered(wait, tag, now_ns));
}

// Whether it is the first acknowledgement of the report.
bool Submitter::Acknowledged(uint64_t tag, const Answer& answer, int64_t now_ns) {
  if (!ledger_) {
    if (tag & kRepeat) Add(progress_.repeats);
    return !(tag & kRepeat);
  }
  const uint64_t index = tag & ~kRepeat;
  Receipt receipt;
  if (!FindReceipt(answer.body, receipt)) {
    findings_.Add(Finding::kUnusable, plan_.Describe(index) + ": acknowledged without a receipt");
    return false;
  }
  if (check_hashes_ && base::Sha256(request_.RenderBody(index)).hex() != receipt.sha256) {
    findings_.Add(Finding::kDifferent, plan_.Describe(index) + ": the receipt has another hash");
  }
  const bool accepted = answer.status == 202;
  if (accepted == (Find(answer.body, "\"duplicate\":true") != nullptr)) {
    findings_.Add(Finding::kUnusable, plan_.Describe(index) + ": 202 and duplicate do not agree");
  }
  const uint64_t offset = receipt.offset;
  const Ledger::Noted noted = ledger_->Acknowledge(index, offset, accepted, now_ns);
  if (noted == Ledger::Noted::kFirst) return true;
  Add(progress_.repeats);
  if (noted == Ledger::Noted::kOtherOffset) {
    findings_.Add(Finding::kDoubled, plan_.Describe(index) + ": acknowledged at offset " +
                                         std::to_string(ledger_->offset(index)) + " and again at " +
                                         std::to_string(offset));
  } else if (noted == Ledger::Noted::kAcceptedTwice) {
    findings_.Add(Finding::kDoubled, plan_.Describe(index) + ": answered 202 twice, at offset " +
                                         std::to_string(offset));
  }
  return false;
}

void Submitter::SendAgain(uint64_t tag, int64_t due_ns, int64_t at_ns) {
  if (at_ns - due_ns <= retry_for_ns_) {
    retries_.push({at_ns, due_ns, tag});
    return;
  }
  if (tag & kRepeat) return;
  Add(progress_.given_up);
  findings_.Add(Finding::kUnacknowledged, plan_.Describe(tag) + ": not acknowledged in time");
}

void Submitter::Lost(uint64_t tag, int64_t due_ns, int64_t now_ns) {
  Add(progress_.resent);
  SendAgain(tag, due_ns, now_ns + kResendNs);
}

void Submitter::Refused(uint64_t tag, const Answer& answer) {
  Add(progress_.refused);
  findings_.Add(Finding::kRefused, plan_.Describe(tag & ~kRepeat) + ": " +
                                       std::to_string(answer.status) + " " +
                                       std::string(answer.body.substr(0, kDetailBytesMax)));
}

bool Submitter::Done(int64_t now_ns) const {
  const bool fresh = next_ < reports_ && !(schedule_.closed_loop && now_ns >= schedule_.end_ns);
  return !fresh && retries_.empty() && repeats_at_once_.empty() && repeats_later_.empty();
}

}  // namespace weir::surge
