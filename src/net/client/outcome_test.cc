#include "net/client/outcome.h"

#include <gtest/gtest.h>

namespace weir::net {
namespace {

using base::ErrorCode;
using guard::Outcome;

TEST(OutcomeOf, IsTheDependencysFaultUnlessItAnsweredOrTheClientWentAway) {
  const auto answered = [](int status) { return OutcomeOf(ClientResponse{.status = status}); };
  for (const int status : {200, 302, 404}) EXPECT_EQ(answered(status), Outcome::kSuccess);
  for (const int status : {429, 500, 503}) EXPECT_EQ(answered(status), Outcome::kFailure);
  EXPECT_EQ(OutcomeOf(base::Fail(ErrorCode::kDeadline, "late")), Outcome::kFailure);
  EXPECT_EQ(OutcomeOf(base::Fail(ErrorCode::kUnavailable, "refused")), Outcome::kFailure);
  EXPECT_EQ(OutcomeOf(base::Fail(ErrorCode::kStopped, "going away")), Outcome::kIgnored);
}

TEST(RetryAfter, IsSecondsOrADate) {
  const int64_t now = 784'111'777'000;  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("120", now), 120'000);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:47 GMT", now), 10'000);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:27 GMT", now), 0);
  for (const char* bad : {"", "-1", "soon", "1.5", "99999999999", "Sun, 06 Nov 1994 08:49:47"}) {
    EXPECT_EQ(ParseRetryAfter(bad, now), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace weir::net
