#include "net/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/problem.h"

namespace weir::net {
namespace {

using testing::ElementsAre;

Router TestRouter() {
  Router router;
  router.Add(Method::kPost, "/submit", 0);
  router.Add(Method::kGet, "/api/v1/reports", 1);
  router.Add(Method::kPost, "/api/v1/reports", 2);
  router.Add(Method::kGet, "/api/v1/reports/{study}/{report}", 3);
  router.Add(Method::kGet, "/api/v1/tasks/{task}", 4);
  router.Add(Method::kGet, "/api/v1/tasks/quarantine", 5);
  return router;
}

TEST(Router, FindsTheRouteOfAPathAndMethod) {
  const Router router = TestRouter();
  EXPECT_EQ(router.Find(Method::kPost, "/submit").id, 0u);
  EXPECT_EQ(router.Find(Method::kPost, "/api/v1/reports").id, 2u);
  EXPECT_EQ(router.Find(Method::kHead, "/api/v1/reports").id, 1u);
  const auto match = router.Find(Method::kGet, "/api/v1/reports/s%201/r%2F2");
  EXPECT_EQ(match.id, 3u);
  EXPECT_THAT(match.params, ElementsAre("s 1", "r/2"));
}

TEST(Router, PrefersTheLiteral) {
  EXPECT_EQ(TestRouter().Find(Method::kGet, "/api/v1/tasks/quarantine").id, 5u);
  EXPECT_EQ(TestRouter().Find(Method::kGet, "/api/v1/tasks/assess").id, 4u);
}

TEST(Router, SaysWhichMethodsAPathHas) {
  const Router router = TestRouter();
  EXPECT_EQ(router.Find(Method::kGet, "/submit").allow, "POST, OPTIONS");
  EXPECT_EQ(router.Find(Method::kDelete, "/api/v1/reports").allow, "GET, POST, HEAD, OPTIONS");
  EXPECT_EQ(router.Find(Method::kPost, "/api/v1/tasks/x").allow, "GET, HEAD, OPTIONS");
}

TEST(Router, FindsNothingWhereNothingIs) {
  for (const char* path : {"", "/", "/submit/", "/api/v1/reports/s", "/api/v1/reports//r",
                           "/api/v1/reports/%zz/r", "/api/v1/reports/s/%4"}) {
    const auto match = TestRouter().Find(Method::kGet, path);
    EXPECT_FALSE(match.id) << path;
    EXPECT_EQ(match.allow, "") << path;
  }
}

TEST(Query, ReadsDecodedParameters) {
  EXPECT_EQ(QueryParam("a=1&study=s%201+x&b", "study"), "s 1 x");
  EXPECT_EQ(QueryParam("a=1&b", "b"), "");
  EXPECT_EQ(QueryParam("a=1", "c"), std::nullopt);
  EXPECT_EQ(QueryParam("a=%f", "a"), std::nullopt);
  EXPECT_EQ(PercentDecode(PercentEncode("a b/ü~")), "a b/ü~");
}

TEST(Query, IsMalformedIfAnEscapeIs) {
  for (const char* good : {"", "a=1", "a=%41&b=%c3%BC", "a%20b=+"}) {
    EXPECT_TRUE(IsWellFormedQuery(good)) << good;
  }
  for (const char* bad : {"%", "a=%4", "a=%zz", "b=1&a=%4g", "a=%41%"}) {
    EXPECT_FALSE(IsWellFormedQuery(bad)) << bad;
  }
}

TEST(Problem, IsOneJsonObject) {
  EXPECT_EQ(ProblemJson(422, "invalid-report", "see errors", "t", "\"errors\":[]"),
            "{\"type\":\"/problems/invalid-report\",\"title\":\"Unprocessable Content\","
            "\"status\":422,\"detail\":\"see errors\",\"trace_id\":\"t\",\"errors\":[]}");
}

TEST(RetryAfter, SpreadsAHerd) {
  EXPECT_EQ(RetryAfter(5, 0), "Retry-After: 5\r\n");
  EXPECT_EQ(RetryAfter(5, 5ull << 11), "Retry-After: 10\r\n");
  EXPECT_EQ(RetryAfter(1, 0), "Retry-After: 1\r\n");
  EXPECT_EQ(RetryAfter(1, 2ull << 11), "Retry-After: 3\r\n");
}

}  // namespace
}  // namespace weir::net
