// Any bytes as a batch of lines, in any pieces, answered at once or late and in any order: every
// line that is not blank has its answer, in order, and the same ones whatever the pieces.
//
// The first two bytes of an input say how long the pieces are, and which answers come late.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/offload.h"
#include "services/epro/batch.h"
#include "services/epro/intake.h"

namespace {

using weir::epro::Answer;
using weir::epro::Batch;

constexpr size_t kLineBytesMax = 64;
constexpr size_t kLinesWaitingMax = 8;

class Writer final : public weir::net::BodyWriter {
 public:
  bool Write(std::string_view bytes) override {
    WEIR_CHECK(!ended_);
    text_ += bytes;
    return true;
  }
  void End() override { ended_ = true; }
  void Abort() override { WEIR_CHECK(false); }
  void OnDrained(std::function<void()>) override {}
  void OnClosed(std::function<void(bool)>) override {}
  bool has_body() const override { return true; }
  const std::string& text() const { return text_; }
  bool ended() const { return ended_; }

 private:
  std::string text_;
  bool ended_ = false;
};

// A loop on which nothing but one streamed answer happens.
class OneAnswerLoop final : public weir::net::Loop {
 public:
  unsigned index() const override { return 0; }
  void Respond(weir::net::Ticket, const weir::net::Response&) override { WEIR_CHECK(false); }
  weir::net::BodyWriter* RespondStreaming(weir::net::Ticket, const weir::net::Response&) override {
    return &writer;
  }
  void ResumeBody(weir::net::Ticket) override { resumed = true; }
  bool alive(weir::net::Ticket) const override { return true; }
  void SetMark(weir::net::Ticket, weir::net::Mark) override {}
  void After(int, std::function<void()>) override {}
  int64_t now_ns() const override { return 0; }
  weir::net::DeadlineWheel& deadlines() override { return wheel_; }
  weir::net::Unanswered<weir::net::Offloaded>& offloaded() override { return offloaded_; }
  bool Post(std::function<void()>) override { return false; }

  Writer writer;
  bool resumed = true;

 private:
  weir::net::DeadlineWheel wheel_{0};
  weir::net::Unanswered<weir::net::Offloaded> offloaded_{
      wheel_, [](const weir::net::Offloaded&) { WEIR_CHECK(false); }};
};

std::string AnswersTo(std::string_view bytes, size_t piece, uint8_t late) {
  OneAnswerLoop loop;
  std::vector<uint64_t> waiting;
  Batch* batch = nullptr;
  int finished = 0;
  Batch::Host host{.loop = loop,
                   .line_bytes_max = kLineBytesMax,
                   .lines_waiting_max = kLinesWaitingMax,
                   .take = {},
                   .too_long = {},
                   .finished = {}};
  host.take = [&](std::string_view body, uint64_t line) {
    WEIR_CHECK(body.size() <= kLineBytesMax);
    if (late >> (line % 8) & 1) {
      waiting.push_back(line);
    } else {
      batch->Answered(line, {.body = "{\"n\":" + std::to_string(line) + "}", .headers = {}});
    }
  };
  host.too_long = [](size_t) { return Answer{.status = 413, .body = "{}", .headers = {}}; };
  host.finished = [&] { ++finished; };
  Batch one(1, std::move(host));
  batch = &one;
  const auto answer_late = [&] {
    // The last first, as syncs of several groups may end.
    for (; !waiting.empty(); waiting.pop_back()) {
      one.Answered(waiting.back(),
                   {.body = "{\"n\":" + std::to_string(waiting.back()) + "}", .headers = {}});
    }
  };
  while (!bytes.empty()) {
    const std::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    loop.resumed = one.OnBody(next);
    if (!loop.resumed) answer_late();
    WEIR_CHECK_MSG(loop.resumed, "it does not read on though everything is answered");
  }
  one.OnEnd();
  answer_late();
  WEIR_CHECK(finished == 1);
  WEIR_CHECK(loop.writer.ended());
  return loop.writer.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = AnswersTo(bytes, SIZE_MAX, 0);
  const std::string pieces = AnswersTo(bytes, size_t{data[0]} + 1, data[1]);
  WEIR_CHECK_MSG(pieces == whole, "whole: " + whole + "\nin pieces: " + pieces);

  uint64_t last = 0;
  for (size_t at = 0; at < whole.size(); at = whole.find('\n', at) + 1) {
    constexpr std::string_view kStart = "{\"line\":";
    WEIR_CHECK(whole.compare(at, kStart.size(), kStart) == 0);
    const uint64_t line = std::stoull(whole.substr(at + kStart.size(), 20));
    WEIR_CHECK(line > last);
    last = line;
  }
  return 0;
}
