#include "tools/surge/http2_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tools/surge/http2_peer.h"

namespace weir::surge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kBody = R"({"report_id":"r","patient_id":"p","data":"x"})";

std::shared_ptr<const Http2Head> Head() {
  return std::make_shared<const Http2Head>(
      Http2Head::Fields{{":method", "POST"},
                        {":scheme", "http"},
                        {":authority", "h"},
                        {":path", "/submit"},
                        {"content-length", std::to_string(kBody.size())}});
}

// A client and its server, and what each learned of the other.
class Http2ExchangeTest : public testing::Test, public Exchange::Owner {
 protected:
  void Connect(const std::vector<nghttp2_settings_entry>& settings = {}, unsigned streams = 8) {
    peer_ = std::make_unique<Http2Peer>(
        settings, [this](const Http2Peer::Request& request) { received_.push_back(request); });
    exchange_ = std::make_unique<Http2Exchange>(Head(), streams);
    exchange_->Begin(out_);
    Run();
  }

  // Until neither has anything to say. What the server sends arrives in pieces of `piece` bytes.
  void Run(size_t piece = SIZE_MAX) {
    for (bool more = true; more && verdict_ == Exchange::Verdict::kGoOn;) {
      const std::string to_peer = std::exchange(out_, {});
      client_keeps_the_rules_ &= peer_->Receive(to_peer);
      const std::string answer = peer_->Output();
      for (size_t at = 0; at < answer.size() && verdict_ == Exchange::Verdict::kGoOn;
           at += std::min(piece, answer.size() - at)) {
        const std::string part = answer.substr(at, piece);  // its bytes are gone afterwards
        verdict_ = exchange_->Receive(part, true, *this, out_);
      }
      more = !to_peer.empty() || !answer.empty();
    }
  }

  void Send(uint64_t tag) { exchange_->Send({"", kBody, tag, 0}, 7, out_); }

  void Answered(const Exchange::Sent& sent, const Answer& answer) override {
    answered_[sent.tag] = std::to_string(answer.status) + " " + std::string(answer.body);
    retry_after_ = answer.retry_after_s;
  }
  void Lost(const Exchange::Sent& sent, Exchange::Why why) override {
    (why == Exchange::Why::kBroken ? lost_ : taken_back_).push_back(sent.tag);
  }

  std::unique_ptr<Http2Peer> peer_;
  std::unique_ptr<Http2Exchange> exchange_;
  std::string out_;
  std::vector<Http2Peer::Request> received_;
  std::map<uint64_t, std::string> answered_;
  double retry_after_ = 0;
  std::vector<uint64_t> lost_, taken_back_;
  Exchange::Verdict verdict_ = Exchange::Verdict::kGoOn;
  bool client_keeps_the_rules_ = true;  // the client never broke the protocol
};

TEST_F(Http2ExchangeTest, HasNoRoomBeforeTheServersSettings) {
  Http2Exchange exchange(Head(), 8);
  EXPECT_EQ(exchange.room(), 0u);
  EXPECT_FALSE(exchange.begun());
  Connect();
  EXPECT_TRUE(exchange_->begun());
  EXPECT_EQ(exchange_->room(), 8u);
}

TEST_F(Http2ExchangeTest, SendsRequestsAndBringsTheirAnswersBack) {
  Connect();
  for (uint64_t tag = 0; tag < 8; ++tag) Send(tag);
  EXPECT_EQ(exchange_->room(), 0u);
  Run();
  ASSERT_EQ(received_.size(), 8u);
  for (const auto& request : received_) {
    EXPECT_EQ(request.body, kBody);
    EXPECT_EQ(request.fields.at(":path"), "/submit");
    EXPECT_EQ(request.fields.at("content-length"), std::to_string(kBody.size()));
  }
  // In another order than they were asked in.
  for (size_t i = received_.size(); i-- > 0;) {
    peer_->Answer(received_[i].stream, {.body = "answer " + std::to_string(i)});
  }
  Run();
  EXPECT_EQ(answered_.size(), 8u);
  for (uint64_t tag = 0; tag < 8; ++tag) {
    EXPECT_EQ(answered_[tag], "202 answer " + std::to_string(tag));
  }
  EXPECT_EQ(exchange_->room(), 8u);
  EXPECT_EQ(exchange_->oldest_sent_ns(), INT64_MAX);
  EXPECT_TRUE(client_keeps_the_rules_);
}

TEST_F(Http2ExchangeTest, ReadsAnswersWhateverTheirPieces) {
  for (const size_t piece : {1, 2, 8, 9, 10, 100, 16'384, 70'000}) {
    SCOPED_TRACE(piece);
    Connect();
    answered_.clear();
    received_.clear();
    for (uint64_t tag = 0; tag < 4; ++tag) Send(tag);
    Run(piece);
    ASSERT_EQ(received_.size(), 4u);
    const std::string large(100'000, 'x');
    peer_->Answer(received_[0].stream, {.body = large});
    peer_->Answer(received_[1].stream, {.status = 204});
    peer_->Answer(received_[2].stream, {.body = "b", .informed_first = true, .trailers = true});
    peer_->Answer(received_[3].stream, {.status = 503, .body = "c", .retry_after = "3"});
    Run(piece);
    EXPECT_EQ(answered_[0], "202 " + large);
    EXPECT_EQ(answered_[1], "204 ");
    EXPECT_EQ(answered_[2], "202 b");
    EXPECT_EQ(answered_[3], "503 c");
    EXPECT_TRUE(client_keeps_the_rules_);
  }
}

TEST_F(Http2ExchangeTest, TellsWhenToComeAgain) {
  Connect();
  Send(1);
  Run();
  peer_->Answer(received_[0].stream, {.status = 503, .retry_after = "3"});
  Run();
  EXPECT_EQ(answered_[1], "503 ");
  EXPECT_EQ(retry_after_, 3);
}

TEST_F(Http2ExchangeTest, KeepsToTheServersLimitOfStreams) {
  Connect({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}});
  EXPECT_EQ(exchange_->room(), 3u);
  for (uint64_t tag = 0; tag < 3; ++tag) Send(tag);
  EXPECT_EQ(exchange_->room(), 0u);
  Run();
  peer_->Settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5}});
  Run();
  EXPECT_EQ(exchange_->room(), 2u);
  peer_->Settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}});
  Run();
  EXPECT_EQ(exchange_->room(), 0u);
  EXPECT_TRUE(client_keeps_the_rules_);
}

// A body is sent in as many pieces as the server's windows make of it, and nothing overtakes it.
TEST_F(Http2ExchangeTest, KeepsToTheWindowsOfStreams) {
  Connect({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10}});
  Send(1);
  EXPECT_EQ(exchange_->room(), 0u);
  Run();  // nghttp2 opens the window as it takes what comes
  ASSERT_EQ(received_.size(), 1u);
  EXPECT_EQ(received_[0].body, kBody);
  EXPECT_EQ(exchange_->room(), 7u);
  peer_->Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  Run();
  Send(2);
  Run();
  EXPECT_EQ(received_.size(), 1u);
  EXPECT_EQ(exchange_->room(), 0u);
  peer_->Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}});
  Run();
  ASSERT_EQ(received_.size(), 2u);
  EXPECT_EQ(received_[1].body, kBody);
  EXPECT_TRUE(client_keeps_the_rules_);
}

TEST_F(Http2ExchangeTest, KeepsToTheWindowOfTheConnection) {
  Connect({}, 3000);
  size_t sent = 0;
  for (; exchange_->room() > 0; ++sent) Send(sent);
  // The window that holds from the start, less than what was sent by a part of the last body.
  EXPECT_EQ(sent, 65'535 / kBody.size() + 1);
  Run();
  EXPECT_EQ(received_.size(), sent);
  EXPECT_TRUE(client_keeps_the_rules_);
}

TEST_F(Http2ExchangeTest, LeavesTheRestOfARequestThatIsAnsweredEarly) {
  Connect({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  Send(1);
  Run();
  EXPECT_EQ(exchange_->room(), 0u);
  peer_->Answer(1, {.status = 413});
  Run();
  EXPECT_EQ(answered_[1], "413 ");
  EXPECT_EQ(peer_->resets(), 1u);
  EXPECT_EQ(peer_->open(), 0u);
  EXPECT_EQ(exchange_->room(), 8u);
  EXPECT_TRUE(client_keeps_the_rules_);
}

TEST_F(Http2ExchangeTest, UsesNoLargerTableThanTheServerHas) {
  for (const uint32_t bytes : {0u, 100u, 300u, 4096u, 65'536u}) {
    SCOPED_TRACE(bytes);
    received_.clear();
    Connect({{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, bytes}});
    for (uint64_t tag = 0; tag < 4; ++tag) Send(tag);
    Run();
    ASSERT_EQ(received_.size(), 4u);
    EXPECT_EQ(received_[3].fields.at(":path"), "/submit");
    peer_->Settings({{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}});
    Run();
    Send(4);
    Send(5);
    Run();
    ASSERT_EQ(received_.size(), 6u);
    EXPECT_EQ(received_[5].fields.at(":path"), "/submit");
    EXPECT_TRUE(client_keeps_the_rules_);
  }
}

TEST_F(Http2ExchangeTest, TellsOfStreamsThatTheServerTookBack) {
  Connect();
  for (uint64_t tag = 0; tag < 3; ++tag) Send(tag);
  Run();
  peer_->Reset(received_[1].stream, NGHTTP2_REFUSED_STREAM);
  Run();
  EXPECT_THAT(taken_back_, ElementsAre(1u));
  EXPECT_EQ(exchange_->room(), 6u);
  peer_->Answer(received_[0].stream, {.body = "a"});
  peer_->Answer(received_[2].stream, {.body = "c"});
  Run();
  EXPECT_EQ(answered_.size(), 2u);
  EXPECT_EQ(exchange_->room(), 8u);
}

// What it has taken is still answered; the rest is to be sent elsewhere.
TEST_F(Http2ExchangeTest, LetsAServerGoAway) {
  Connect();
  for (uint64_t tag = 0; tag < 4; ++tag) Send(tag);
  Run();
  peer_->GoAway(received_[1].stream);
  Run();
  EXPECT_THAT(taken_back_, ElementsAre(2u, 3u));
  EXPECT_EQ(exchange_->room(), 0u);
  EXPECT_EQ(verdict_, Exchange::Verdict::kGoOn);
  peer_->Answer(received_[0].stream, {.body = "a"});
  peer_->Answer(received_[1].stream, {.body = "b"});
  Run();
  EXPECT_EQ(answered_.size(), 2u);
  EXPECT_EQ(verdict_, Exchange::Verdict::kClose);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(Http2ExchangeTest, EndsWithAServerThatGoesAwayInError) {
  Connect();
  Send(1);
  Run();
  peer_->GoAway(received_[0].stream, NGHTTP2_ENHANCE_YOUR_CALM);
  Run();
  EXPECT_EQ(verdict_, Exchange::Verdict::kBroken);
  EXPECT_THAT(std::string(exchange_->error()), HasSubstr("GOAWAY with error 11"));
  exchange_->Abandon(*this);
  EXPECT_THAT(lost_, ElementsAre(1u));
}

TEST_F(Http2ExchangeTest, AnswersPings) {
  Connect();
  peer_->Ping();
  Run();
  EXPECT_EQ(peer_->pings_answered(), 1u);
}

TEST_F(Http2ExchangeTest, LosesEachRequestOnceWhereItBreaks) {
  Connect();
  for (uint64_t tag = 0; tag < 3; ++tag) Send(tag);
  EXPECT_EQ(exchange_->oldest_sent_ns(), 7);
  exchange_->Abandon(*this);
  exchange_->Abandon(*this);
  EXPECT_EQ(std::set<uint64_t>(lost_.begin(), lost_.end()).size(), 3u);
  EXPECT_EQ(lost_.size(), 3u);
}

TEST_F(Http2ExchangeTest, SaysThatTheServerDoesNotSpeakIt) {
  for (const std::string_view said : {"HTTP/1.1 400 Bad Request\r\n\r\n", "220 ready\r\n   "}) {
    Http2Exchange exchange(Head(), 8);
    EXPECT_EQ(exchange.Receive(said, true, *this, out_), Exchange::Verdict::kBroken);
    EXPECT_EQ(exchange.error(), "the server does not speak HTTP/2");
  }
}

// Whatever bytes come after the settings, each request is answered or lost once.
TEST_F(Http2ExchangeTest, BearsAnyBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    SCOPED_TRACE(round);
    Http2Exchange exchange(Head(), 4);
    answered_.clear();
    lost_.clear();
    taken_back_.clear();
    std::string out, settings;
    AppendFrameHead(settings, 0, kSettings, 0, 0);
    ASSERT_EQ(exchange.Receive(settings, true, *this, out), Exchange::Verdict::kGoOn);
    for (uint64_t tag = 0; tag < 4; ++tag) exchange.Send({"", kBody, tag, 0}, 7, out);
    std::string bytes;
    for (int frame = 0; frame < 6; ++frame) {
      std::string content(random() % 12, '\0');
      for (char& byte : content) byte = static_cast<char>(random());
      AppendFrameHead(bytes, content.size(), static_cast<uint8_t>(random() % 11),
                      static_cast<uint8_t>(random()), static_cast<int32_t>(random() % 10));
      bytes += content;
    }
    exchange.Receive(bytes, true, *this, out);
    exchange.Abandon(*this);
    ASSERT_EQ(answered_.size() + lost_.size() + taken_back_.size(), 4u);
    ASSERT_EQ(exchange.in_flight(), 0u);
  }
}

}  // namespace
}  // namespace weir::surge
