#include "tools/surge/http1_exchange.h"

#include <utility>

namespace weir::surge {

void Http1Exchange::Send(const Outgoing& request, int64_t now_ns, std::string& out) {
  sent_ = {request.tag, request.due_ns, now_ns};
  out.append(request.http1);
}

Exchange::Verdict Http1Exchange::Receive(std::string_view bytes, bool all_sent, Owner& owner,
                                         std::string&) {
  if (!sent_) return Verdict::kClose;  // it speaks out of turn
  if (!partial_.empty()) {
    partial_.append(bytes);
    bytes = partial_;
  }
  Answer answer;
  const ParseResult result = parser_.Parse(bytes, answer);
  if (result == ParseResult::kIncomplete && bytes.size() < kAnswerBytesMax) {
    if (partial_.empty()) partial_ = bytes;
    return Verdict::kGoOn;
  }
  if (result != ParseResult::kWhole || answer.bytes != bytes.size()) return Verdict::kBroken;
  const Sent sent = *std::exchange(sent_, std::nullopt);
  owner.Answered(sent, answer);
  partial_.clear();
  // An answer before the request is out ends the use of the connection.
  return answer.close || !all_sent ? Verdict::kClose : Verdict::kGoOn;
}

void Http1Exchange::Abandon(Owner& owner) {
  if (!sent_) return;
  const Sent sent = *std::exchange(sent_, std::nullopt);
  owner.Lost(sent, Why::kBroken);
}

}  // namespace weir::surge
