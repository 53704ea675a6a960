// Bodies that have arrived in part share a memory (session.h), on a loop whose sockets and time are
// the test's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The share is for 20 of these, half of the reserve for two more, the other half for one that goes
// on.
class SharedMemory : public ::testing::Test {
 protected:
  static constexpr size_t kHalf = 49'000;
  static constexpr size_t kBound = 1'250'000;
  void Begin(int clients) {
    for (int i = 0; i < clients; ++i) {
      ids_.push_back(harness_.Connect());
      harness_.Receive(ids_.back(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 98000\r\n\r\n" +
                                        std::string(kHalf, 'x'));
      EXPECT_LE(harness_.loop().memory_held(), kBound);
    }
  }
  size_t Answered(std::string_view status) {
    size_t answered = 0;
    for (const ConnectionId id : ids_) {
      answered += harness_.transport().at(id).sent.starts_with("HTTP/1.1 " + std::string(status));
    }
    return answered;
  }
  size_t Unread() {
    return static_cast<size_t>(std::ranges::count_if(
        ids_, [&](ConnectionId id) { return harness_.transport().at(id).paused; }));
  }

  LoopHarness harness_{Limits{.body_bytes_max = 100'000, .body_memory_bytes_max = 1'000'000}};
  std::vector<ConnectionId> ids_;
};

TEST_F(SharedMemory, PastItNobodyWhoHoldsSomeIsReadAndAllAreServedInTheEnd) {
  Begin(20);
  EXPECT_EQ(Unread(), 0u);
  Begin(2);
  EXPECT_EQ(Unread(), 21u) << "one goes on within the reserve";
  for (const ConnectionId id : ids_) {
    harness_.transport().Deliver(id, std::string(kHalf, 'x'));
    EXPECT_LE(harness_.loop().memory_held(), kBound);
  }
  harness_.Turn();
  EXPECT_EQ(Answered("200"), ids_.size());
  EXPECT_EQ(harness_.loop().memory_held(), 0u);
  EXPECT_EQ(Unread(), 0u);
}

TEST_F(SharedMemory, WhatTheReserveDoesNotTakeIsRefused) {
  Begin(40);
  EXPECT_EQ(Answered("503"), 18u);
  for (const ConnectionId id : ids_) {
    const std::string sent = harness_.Sent(id);
    if (!sent.empty()) {
      EXPECT_THAT(sent, HasSubstr("Retry-After: "));
    }
  }
  for (const ConnectionId id : ids_) harness_.transport().at(id).broken = true;
  harness_.Turn();
  EXPECT_EQ(harness_.loop().memory_held(), 0u);
}

TEST_F(SharedMemory, WhoStandsStillHoldsNobodyUpForEver) {
  Begin(22);
  const ConnectionId late = harness_.Connect();
  ids_.push_back(late);
  harness_.Receive(late, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
  EXPECT_TRUE(harness_.transport().at(late).paused);
  harness_.PassMs(20'000);
  harness_.transport().Deliver(late, "y");
  EXPECT_EQ(Answered("200"), 0u);
  harness_.PassMs(10'500);
  EXPECT_EQ(Answered("408") + Answered("503"), ids_.size());
  const ConnectionId after = harness_.Connect();
  harness_.Receive(after, Post("/", "xy"));
  EXPECT_THAT(harness_.Sent(after), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace weir::net
