// One request at a time over HTTP/1.1.
#pragma once

#include <optional>
#include <string>

#include "tools/surge/exchange.h"

namespace weir::surge {

class Http1Exchange final : public Exchange {
 public:
  void Begin(std::string&) override {}
  bool begun() const override { return true; }
  unsigned room() const override { return sent_ ? 0 : 1; }
  unsigned in_flight() const override { return sent_ ? 1 : 0; }
  int64_t oldest_sent_ns() const override { return sent_ ? sent_->sent_ns : INT64_MAX; }
  void Send(const Outgoing& request, int64_t now_ns, std::string& out) override;
  Verdict Receive(std::string_view bytes, bool all_sent, Owner& owner, std::string& out) override;
  void Abandon(Owner& owner) override;

 private:
  std::optional<Sent> sent_;
  std::string partial_;  // of an answer
  AnswerParser parser_;
};

}  // namespace weir::surge
