// HTTP/1.1 without sockets: pieces, order, bounds and time, the same on every run.
#include "net/server/http1_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "net/server/gzip_test_support.h"
#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

size_t Count(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size()) {
    ++count;
  }
  return count;
}

// Keeps every request's ticket, and answers when told to.
struct Keeper {
  std::vector<Ticket> tickets;
  Configure configure = [this](FunctionHandler& handler, Loop&) {
    handler.on_request = [this](Loop&, const Request& request) {
      tickets.push_back(request.ticket);
    };
  };
  void Answer(LoopHarness& harness, size_t index, std::string_view body) {
    harness.loop().Respond(tickets.at(index), {.content_type = "text/plain", .body = body});
  }
};

std::string AllKinds() {
  const std::string zipped = Gzip("zipped");
  return Get("/a?b") + "\r\n" + Post("/c", "body") +
         "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "4;x=\"y\"\r\nchun\r\n3\r\nked\r\n0\r\nTrailer: t\r\n\r\n" +
         Post("/e", zipped, "Content-Encoding: gzip\r\n") +
         "HEAD /f HTTP/1.1\r\nHost: a\r\n\r\n"
         "POST /g HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" +
         Get("/last");
}

std::string AnswersTo(std::string_view bytes, const std::vector<size_t>& cuts) {
  LoopHarness harness;
  const ConnectionId id = harness.Connect();
  size_t from = 0;
  for (const size_t cut : cuts) {
    harness.Receive(id, bytes.substr(from, cut - from));
    from = cut;
  }
  harness.Receive(id, bytes.substr(from));
  return harness.Sent(id);
}

TEST(Http1Session, RequestsMayBeCutAnywhere) {
  const std::string bytes = AllKinds();
  const std::string whole = AnswersTo(bytes, {});
  EXPECT_EQ(Count(whole, "HTTP/1.1 200 OK"), 7u);
  for (const char* body : {"GET /a?b ", "POST /c? body", "POST /d? chunked", "POST /e? zipped",
                           "POST /g? ", "GET /last? "}) {
    EXPECT_THAT(whole, HasSubstr(body));
  }
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_EQ(AnswersTo(bytes, {cut}), whole) << cut;
  }
  std::vector<size_t> every;
  for (size_t cut = 1; cut < bytes.size(); ++cut) every.push_back(cut);
  EXPECT_EQ(AnswersTo(bytes, every), whole);
}

TEST(Http1Session, AnswersMayBeTakenInAnyPieces) {
  const std::string whole = AnswersTo(AllKinds(), {});
  for (const size_t room : {1, 2, 7, 100, 1000}) {
    LoopHarness harness;
    const ConnectionId id = harness.Connect();
    harness.transport().at(id).room = 0;
    harness.Receive(id, AllKinds());
    std::string sent;
    for (size_t given = 0; given < whole.size(); given += room) {
      harness.transport().MakeRoom(id, room);
      harness.Turn();
      sent += harness.Sent(id);
    }
    EXPECT_EQ(sent, whole) << room;
  }
}

// Durable answers of pipelined requests share a sync, and come back in any order.
TEST(Http1Session, PipelinedAnswersKeepTheOrderOfTheirRequests) {
  Keeper keeper;
  LoopHarness harness({.pipeline_max = 128}, keeper.configure);
  const ConnectionId id = harness.Connect();
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Get("/" + std::to_string(i));
  harness.Receive(id, requests);
  ASSERT_EQ(keeper.tickets.size(), 100u);
  for (size_t i = 100; i-- > 1;) keeper.Answer(harness, i, "<" + std::to_string(i) + ">");
  harness.Turn();
  EXPECT_EQ(harness.Sent(id), "");
  keeper.Answer(harness, 0, "<0>");
  harness.Turn();
  const std::string sent = harness.Sent(id);
  size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = sent.find("<" + std::to_string(i) + ">", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_EQ(Count(sent, "HTTP/1.1 200"), 100u);
}

// What a handler keeps for more to come never waits for it: the loop looks once, and tells the
// handler before it sleeps.
TEST(EventLoop, AHandlerThatGathersIsToldBeforeTheLoopWaits) {
  int told = 0;
  LoopHarness harness({}, [&](FunctionHandler& handler, Loop&) {
    handler.keeps = true;
    handler.on_idle = [&](Loop&) { ++told; };
  });
  const ConnectionId id = harness.Connect();
  EventLoop& loop = harness.loop();
  loop.Turn();
  told = 0;
  harness.transport().Deliver(id, Get("/1"));
  loop.Turn();
  EXPECT_EQ(told, 0);
  harness.transport().Deliver(id, Get("/2"));
  loop.Turn();
  EXPECT_EQ(harness.transport().last_timeout_ns(), 0);
  EXPECT_EQ(told, 0) << "more was ready: it may go on gathering";
  loop.Turn();
  EXPECT_EQ(harness.transport().last_timeout_ns(), 0);
  EXPECT_EQ(told, 1);
  loop.Turn();
  EXPECT_NE(harness.transport().last_timeout_ns(), 0);
  EXPECT_EQ(told, 1);
}

TEST(Http1Session, NoMoreThanThePipelinesBoundIsTaken) {
  Keeper keeper;
  LoopHarness harness({.pipeline_max = 4}, keeper.configure);
  const ConnectionId id = harness.Connect();
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += Get("/");
  harness.Receive(id, requests);
  EXPECT_EQ(keeper.tickets.size(), 4u);
  EXPECT_TRUE(harness.transport().at(id).paused);
  keeper.Answer(harness, 1, "second");
  harness.Turn();
  EXPECT_EQ(keeper.tickets.size(), 4u);
  keeper.Answer(harness, 0, "first");
  harness.Turn();
  EXPECT_EQ(keeper.tickets.size(), 6u);
  for (size_t i = 2; i < 10; ++i) {
    keeper.Answer(harness, i, "x");
    harness.Turn();
  }
  EXPECT_EQ(Count(harness.Sent(id), "HTTP/1.1 200"), 10u);
  EXPECT_FALSE(harness.transport().at(id).paused);
}

TEST(Http1Session, AClientThatNeverReadsIsNotReadFrom) {
  const std::string large(100'000, 'x');
  LoopHarness harness({.send_buffer_bytes_max = 250'000}, [&](FunctionHandler& handler, Loop&) {
    handler.on_request = [&](Loop& loop, const Request& request) {
      loop.Respond(request.ticket, {.body = large});
    };
  });
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).room = 0;
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += Get("/");
  harness.Receive(id, requests);
  EXPECT_TRUE(harness.transport().at(id).paused);
  EXPECT_EQ(harness.loop().counters().requests.value(), 3u);
  harness.transport().MakeRoom(id, testing::ScriptedTransport::kUnlimited);
  harness.Turn();
  EXPECT_EQ(Count(harness.Sent(id), "HTTP/1.1 200"), 50u);
}

// Answers that helpers work out come at once, whatever their client takes.
TEST(Http1Session, LargeAnswersThatNobodyTakesAreBoundedForAllTogether) {
  constexpr size_t kAnswer = 100'000, kBound = 1'000'000;
  Keeper keeper;
  LoopHarness harness({.answer_memory_bytes_max = kBound}, keeper.configure);
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += Get("/");
  std::vector<ConnectionId> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(harness.Connect());
    harness.transport().at(ids.back()).room = 0;
    harness.Receive(ids.back(), requests);
  }
  ASSERT_EQ(keeper.tickets.size(), 40u);
  for (size_t i = keeper.tickets.size(); i-- > 0;) {
    keeper.Answer(harness, i, std::string(kAnswer, 'x'));
    EXPECT_LE(harness.loop().answers_held(), kBound + kAnswer + (40u << 10));
  }
  harness.Turn();
  size_t answered = 0, refused = 0;
  for (const ConnectionId id : ids) {
    harness.transport().MakeRoom(id, testing::ScriptedTransport::kUnlimited);
    harness.Turn();
    const std::string sent = harness.Sent(id);
    answered += Count(sent, "HTTP/1.1 200");
    refused += Count(sent, "HTTP/1.1 503");
    EXPECT_EQ(Count(sent, "HTTP/1.1 503"), Count(sent, "Retry-After: "));
  }
  EXPECT_EQ(answered, kBound / kAnswer);
  EXPECT_EQ(answered + refused, 40u);
  EXPECT_EQ(harness.loop().answers_held(), 0u);
  // It is of those who wait, not of what has passed.
  harness.Receive(ids[0], Get("/"));
  keeper.Answer(harness, 40, std::string(kAnswer, 'x'));
  harness.Turn();
  EXPECT_EQ(Count(harness.Sent(ids[0]), "HTTP/1.1 200"), 1u);
}

TEST(Http1Session, ATicketIsNeverAnsweredTwiceNorAfterItsConnection) {
  Keeper keeper;
  LoopHarness harness({}, keeper.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/") + Get("/"));
  const Ticket first = keeper.tickets[0], second = keeper.tickets[1];
  EXPECT_NE(first, 0u);
  EXPECT_TRUE(harness.loop().alive(first) && harness.loop().alive(second));
  keeper.Answer(harness, 0, "a");
  keeper.Answer(harness, 0, "b");
  EXPECT_FALSE(harness.loop().alive(first));
  EXPECT_EQ(harness.loop().RespondStreaming(first, {}), nullptr);
  harness.Turn();
  harness.transport().at(id).broken = true;
  harness.Turn();
  EXPECT_TRUE(harness.closed(id));
  EXPECT_FALSE(harness.loop().alive(second));
  keeper.Answer(harness, 1, "c");
  EXPECT_EQ(harness.loop().RespondStreaming(second, {}), nullptr);
  harness.loop().ResumeBody(second);
  harness.Turn();
  EXPECT_EQ(Count(harness.Sent(id), "HTTP/1.1"), 1u);
}

TEST(Http1Session, TheEndOfAMarkedRequestIsToldOnce) {
  std::vector<std::pair<uint32_t, int>> told;
  Keeper keeper;
  LoopHarness harness({}, [&](FunctionHandler& handler, Loop& loop) {
    keeper.configure(handler, loop);
    handler.on_answered = [&](Mark mark, int status) { told.emplace_back(mark.value, status); };
  });
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/") + Get("/") + Get("/") + Get("/"));
  for (uint32_t i = 0; i < 3; ++i) harness.loop().SetMark(keeper.tickets[i], {.value = i + 1});
  harness.loop().Respond(keeper.tickets[1], {.status = 503});  // out of turn
  EXPECT_THAT(told, ElementsAre(Pair(2, 503)));
  harness.loop().Respond(keeper.tickets[1], {.status = 200});
  ASSERT_NE(harness.loop().RespondStreaming(keeper.tickets[0], {}), nullptr);
  harness.loop().Respond(keeper.tickets[3], {});  // not marked
  EXPECT_THAT(told, ElementsAre(Pair(2, 503), Pair(1, 200)));
  harness.loop().SetMark(keeper.tickets[3], {.value = 9});  // too late
  harness.transport().at(id).broken = true;
  harness.Turn();
  EXPECT_THAT(told, ElementsAre(Pair(2, 503), Pair(1, 200), Pair(3, 0)));
}

TEST(Http1Session, WhatIsRefusedIsToldWithoutAMark) {
  std::vector<std::pair<uint32_t, int>> told;
  LoopHarness harness({}, [&](FunctionHandler& handler, Loop&) {
    handler.on_answered = [&](Mark mark, int status) { told.emplace_back(mark.value, status); };
  });
  harness.Receive(harness.Connect(), "GET nowhere\r\n\r\n");
  EXPECT_THAT(told, ElementsAre(Pair(0, 400)));
  harness.handler().on_request = [](Loop& loop, const Request& request) {
    loop.Respond(request.ticket, {.status = request.path == "/refused" ? 429 : 202});
  };
  harness.Receive(harness.Connect(), Get("/refused") + Get("/taken"));
  EXPECT_THAT(told, ElementsAre(Pair(0, 400), Pair(0, 429)));
}

TEST(EventLoop, TellsHowLongWhatIsReadyWaits) {
  std::vector<int64_t> lags;
  LoopHarness harness;
  const ConnectionId id = harness.Connect();
  harness.handler().on_lag = [&](int64_t lag_ns) { lags.push_back(lag_ns); };
  harness.clock().AdvanceMs(20);
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    harness.clock().AdvanceMs(7);  // what the turn took
    loop.Respond(request.ticket, {});
  };
  harness.Receive(id, Get("/"));
  harness.Receive(id, Get("/"));  // its turn begins with a probe, behind it
  EXPECT_THAT(lags, ElementsAre(7'000'000));
  harness.PassMs(1000);
  harness.PassMs(1000);  // nothing to do: no probe
  EXPECT_EQ(lags.size(), 1u);
}

TEST(Http1Session, AnAnswerThatClosesIsTheLast) {
  Keeper keeper;
  LoopHarness harness({}, keeper.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/") + Get("/") + Get("/"));
  harness.loop().Respond(keeper.tickets[1], {.body = "second", .close = true});
  keeper.Answer(harness, 2, "third");
  keeper.Answer(harness, 0, "first");
  harness.Turn();
  const std::string sent = harness.Sent(id);
  EXPECT_EQ(Count(sent, "HTTP/1.1 200"), 2u);
  EXPECT_EQ(Count(sent, "Connection: close"), 1u);
  EXPECT_THAT(sent, EndsWith("second"));
  EXPECT_TRUE(harness.transport().at(id).finished);
  EXPECT_FALSE(harness.loop().alive(keeper.tickets[2]));
}

// Closing at once would reset the connection, and the last answer might never be read.
TEST(Http1Session, LingersUntilTheClientHasReadItsLastAnswer) {
  LoopHarness harness;
  const ConnectionId waits = harness.Connect();
  harness.Receive(waits, "nonsense\r\n\r\n");
  EXPECT_THAT(harness.Sent(waits), StartsWith("HTTP/1.1 400"));
  EXPECT_TRUE(harness.transport().at(waits).finished);
  EXPECT_FALSE(harness.closed(waits));
  harness.Receive(waits, Get("/") + std::string(100'000, 'x'));
  EXPECT_EQ(harness.Sent(waits), "");
  harness.transport().at(waits).peer_finished = true;
  harness.Turn();
  EXPECT_TRUE(harness.closed(waits));

  const ConnectionId stays = harness.Connect();
  harness.Receive(stays, "nonsense\r\n\r\n");
  harness.PassMs(1'500);
  EXPECT_FALSE(harness.closed(stays));
  harness.PassMs(1'000);
  EXPECT_TRUE(harness.closed(stays));
}

TEST(Http1Session, AClientThatFinishedSendingStillGetsItsAnswers) {
  Keeper keeper;
  LoopHarness harness({}, keeper.configure);
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).peer_finished = true;
  harness.Receive(id, Get("/") + Get("/"));
  keeper.Answer(harness, 0, "one");
  keeper.Answer(harness, 1, "two");
  harness.Turn();
  EXPECT_THAT(harness.Sent(id), EndsWith("two"));
  EXPECT_TRUE(harness.closed(id));

  for (const std::string& begun : {std::string("GET / HT"), Post("/", "body").substr(0, 50)}) {
    const ConnectionId half = harness.Connect();
    harness.transport().at(half).peer_finished = true;
    harness.Receive(half, begun);
    EXPECT_THAT(harness.Sent(half), StartsWith("HTTP/1.1 400"));
    EXPECT_TRUE(harness.closed(half));
  }
}

TEST(Http1Session, TimesAreKept) {
  Keeper keeper;
  const Limits limits{.first_byte_timeout_ms = 1'000,
                      .header_timeout_ms = 2'000,
                      .body_timeout_ms = 3'000,
                      .idle_timeout_ms = 5'000,
                      .send_timeout_ms = 4'000};
  LoopHarness harness(limits, keeper.configure);
  constexpr int64_t kLateMs = 140;  // two ticks of the wheel

  const ConnectionId silent = harness.Connect();
  harness.PassMs(999);
  EXPECT_FALSE(harness.closed(silent));
  harness.PassMs(kLateMs);
  EXPECT_TRUE(harness.closed(silent));
  EXPECT_EQ(harness.Sent(silent), "");

  // A byte now and then buys no time.
  const ConnectionId dripping = harness.Connect();
  for (const char byte : std::string_view("GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaa")) {
    if (harness.transport().at(dripping).finished) break;
    harness.Receive(dripping, {&byte, 1});
    harness.PassMs(100);
  }
  EXPECT_THAT(harness.Sent(dripping), StartsWith("HTTP/1.1 408 Request Timeout"));
  EXPECT_TRUE(harness.transport().at(dripping).finished);

  const ConnectionId body = harness.Connect();
  harness.Receive(body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 29; ++i) {
    harness.Receive(body, "x");
    harness.PassMs(100);
  }
  EXPECT_EQ(harness.Sent(body), "");
  harness.PassMs(100 + kLateMs);
  EXPECT_THAT(harness.Sent(body), StartsWith("HTTP/1.1 408"));

  // While the handler works there is no hurry; afterwards the connection may rest.
  const ConnectionId idle = harness.Connect();
  keeper.tickets.clear();
  harness.Receive(idle, Get("/"));
  harness.PassMs(60'000);
  EXPECT_FALSE(harness.closed(idle));
  keeper.Answer(harness, 0, "done");
  harness.Turn();
  harness.PassMs(4'990);
  EXPECT_FALSE(harness.closed(idle));
  harness.PassMs(kLateMs);
  EXPECT_TRUE(harness.closed(idle));

  // A client that stops reading is cut off; one that reads slowly is not.
  const ConnectionId stuck = harness.Connect();
  keeper.tickets.clear();
  harness.transport().at(stuck).room = 10;
  harness.Receive(stuck, Get("/"));
  keeper.Answer(harness, 0, "answer");
  harness.Turn();
  for (int i = 0; i < 3; ++i) {
    harness.PassMs(3'900);
    EXPECT_FALSE(harness.closed(stuck));
    harness.transport().MakeRoom(stuck, 10);
    harness.Turn();
  }
  harness.PassMs(4'000 + kLateMs);
  EXPECT_TRUE(harness.closed(stuck));
  EXPECT_TRUE(harness.transport().at(stuck).reset);
  EXPECT_EQ(harness.loop().counters().timeouts.value(), 4u);
}

TEST(Http1Session, AnIdleLoopSleepsUntilItsNextDeadline) {
  LoopHarness harness;
  EXPECT_EQ(harness.loop().NextTimeout(Transport::kForever), Transport::kForever);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/"));
  harness.PassMs(11'000);  // past the first deadline, which no longer holds
  EXPECT_GT(harness.loop().NextTimeout(Transport::kForever), 50'000'000'000);
}

// What an attacker may send: the loop survives it, answers nothing twice, and lets go of
// everything.
TEST(Http1Session, SurvivesGarbageInAnyPieces) {
  const std::string good = AllKinds();
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    LoopHarness harness({.header_bytes_max = 1'000, .body_bytes_max = 2'000});
    const ConnectionId id = harness.Connect();
    harness.transport().at(id).room = random() % 3 == 0 ? random() % 500 : SIZE_MAX;
    std::string bytes = good;
    for (int i = 0; i < 3; ++i) bytes += good;
    for (uint64_t flips = random() % 20; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + random() % (random() % 2 == 0 ? 10 : 500);
      harness.Receive(id, std::string_view(bytes).substr(at, size));
      at += size;
    }
    harness.transport().at(id).peer_finished = true;
    harness.Turn();
    harness.PassMs(40'000);
    EXPECT_TRUE(harness.closed(id));
    EXPECT_EQ(harness.loop().memory_held(), 0u);
  }
}

}  // namespace
}  // namespace weir::net
