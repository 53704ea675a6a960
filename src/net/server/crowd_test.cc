// Many connections at once, most of them up to no good: bounds hold, and the others are served.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

class Crowd : public OnEveryTransport {};
INSTANTIATE_TEST_SUITE_P(Transports, Crowd, EveryTransportAndTls(), TransportName);

// Patients' uploads go on while somebody holds connections without using them.
TEST_P(Crowd, SlowClientsAreCutOffAndHinderNobody) {
  const auto server = Start({.limits = {.first_byte_timeout_ms = 300,
                                        .header_timeout_ms = 300,
                                        .body_timeout_ms = 300,
                                        .idle_timeout_ms = 300}});
  std::vector<Client> slow;
  for (int i = 0; i < 90; ++i) {
    slow.emplace_back(server->port());
    if (i % 3 == 1) slow.back().Send("GET / HT");
    if (i % 3 == 2) slow.back().Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
  }
  Client fast(server->port());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fast.Ask(Get("/")).status, 200);
  for (size_t i = 0; i < slow.size(); ++i) {
    EXPECT_EQ(slow[i].Read().status, i % 3 == 0 ? 0 : 408) << i;
    EXPECT_TRUE(slow[i].AtEnd());
  }
  EXPECT_TRUE(fast.AtEnd());
  EXPECT_EQ(server->stats().timeouts, 90u);
}

TEST_P(Crowd, AClientThatDoesNotReadIsNotReadFromAndIsCutOff) {
  const auto server =
      Start({.limits = {.send_buffer_bytes_max = 64u << 10, .send_timeout_ms = 500}},
            [](FunctionHandler& handler, Loop&) {
              handler.on_request = [](Loop& loop, const Request& request) {
                loop.Respond(request.ticket, {.body = std::string(10'000, 'x')});
              };
            });
  Client client(server->port(), 4096);
  // Far fewer than what it would like to send fits into the kernel's buffers.
  const size_t sent = client.SendUntilStuck(Get("/"), 64u << 20, 200);
  EXPECT_LT(sent, 32u << 20);
  EXPECT_LT(server->stats().requests, 5'000u);
  Client other(server->port());
  EXPECT_EQ(other.Ask(Get("/")).status, 200);
  while (server->stats().timeouts == 0) std::this_thread::yield();
  while (client.Receive()) {
  }
  EXPECT_TRUE(client.reset());
}

// All of them at once, beside one who does.
TEST_P(Crowd, ManyWhoNeverReadCostABoundAndHinderNobody) {
  constexpr size_t kClients = 100, kAnswerBytes = 2'000;
  const auto server =
      Start({.limits = {.send_buffer_bytes_max = 16u << 10, .send_timeout_ms = 1'000}},
            [](FunctionHandler& handler, Loop&) {
              handler.on_request = [](Loop& loop, const Request& request) {
                loop.Respond(request.ticket, {.body = std::string(kAnswerBytes, 'x')});
              };
            });
  std::string requests;
  for (int i = 0; i < 2'000; ++i) requests += Get("/");
  std::vector<Client> clients;
  for (size_t i = 0; i < kClients; ++i) clients.emplace_back(server->port(), 4096);
  for (Client& client : clients) client.SendUntilStuck(requests, requests.size(), 0);
  Client reads(server->port());
  uint64_t asked = 0;
  while (asked < 100 || server->stats().timeouts < kClients) {
    ASSERT_EQ(reads.Ask(Get("/")).status, 200);
    ++asked;
  }
  // Kernel buffers and our bound; not what they asked for.
  EXPECT_LT(server->stats().bytes_out - asked * kAnswerBytes, kClients * (4u << 20) + (64u << 20));
  while (server->stats().connections > 1) std::this_thread::yield();
}

TEST_P(Crowd, HalfClosedConnectionsGetTheirAnswersAndGo) {
  std::vector<Ticket> tickets;
  constexpr size_t kClients = 200;
  const auto server = Start({}, [&](FunctionHandler& handler, Loop&) {
    handler.on_request = [&](Loop& loop, const Request& request) {
      // The answers come when all have finished sending.
      tickets.push_back(request.ticket);
      if (tickets.size() < kClients) return;
      loop.After(50, [&] {
        for (const Ticket ticket : tickets) loop.Respond(ticket, {.body = "late"});
      });
    };
  });
  std::vector<Client> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(server->port());
    clients.back().Send(Get("/"));
    clients.back().Finish();
  }
  for (Client& client : clients) {
    EXPECT_EQ(client.Read().body, "late");
    EXPECT_TRUE(client.AtEnd());
    EXPECT_FALSE(client.reset());
  }
  while (server->stats().connections > 0) std::this_thread::yield();
}

// It never speaks, so that TLS would make no difference.
class Herd : public OnEveryTransport {};
INSTANTIATE_TEST_SUITE_P(Transports, Herd, EveryTransport(), TransportName);

// A herd that opens connections and asks nothing: the limit holds, and those within it are served.
TEST_P(Herd, AHundredThousandConnectionsTryToOpen) {
#ifdef WEIR_SANITIZED
  constexpr size_t kRounds = 5;
#else
  constexpr size_t kRounds = 50;
#endif
  constexpr size_t kAtOnce = 2'000;
  constexpr size_t kLimit = 300;
  const auto server = Start({.loops = 2, .limits = {.connections_max = kLimit}});
  std::vector<Client> within;
  for (int i = 0; i < 10; ++i) within.emplace_back(server->port());
  for (Client& client : within) ASSERT_EQ(client.Ask(Get("/")).status, 200);
  size_t opened = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    std::vector<Client> herd;
    herd.reserve(kAtOnce);
    for (size_t i = 0; i < kAtOnce; ++i) {
      herd.emplace_back(server->port());
      opened += herd.back().connected() ? 1 : 0;
      // Gone without a trace, or the ports of this machine run out.
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      setsockopt(herd.back().descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    for (Client& client : within) ASSERT_EQ(client.Ask(Get("/")).status, 200);
    EXPECT_LE(server->stats().connections, kLimit);
  }
  EXPECT_GT(opened, kRounds * kAtOnce * 9 / 10);
  EXPECT_GT(server->stats().refused, kRounds * (kAtOnce - kLimit) / 2);
  // They have gone: there is room again.
  while (server->stats().connections > within.size()) std::this_thread::yield();
  Client after(server->port());
  EXPECT_EQ(after.Ask(Get("/")).status, 200);
}

}  // namespace
}  // namespace weir::net
