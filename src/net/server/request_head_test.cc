#include "net/server/request_head.h"

#include <gtest/gtest.h>

namespace weir::net {
namespace {

Refusal Parse(std::string_view bytes, RequestHead* head) {
  size_t scanned = 0;
  EXPECT_EQ(FindHeadEnd(bytes, &scanned), bytes.size()) << bytes;
  return ParseRequestHead(bytes, head);
}

TEST(RequestHead, IsReadIntoViews) {
  RequestHead head;
  const std::string bytes =
      "POST /api/v1/reports?study=s%201&x HTTP/1.1\r\nHost: weir.example:8080\r\n"
      "authorization: Bearer t\r\nContent-Type:application/json \r\nX-Empty:\r\n"
      "Content-Length: 12\r\n\r\n";
  ASSERT_FALSE(Parse(bytes, &head));
  const Request& request = head.request;
  EXPECT_EQ(request.method, Method::kPost);
  EXPECT_EQ(request.target, "/api/v1/reports?study=s%201&x");
  EXPECT_EQ(request.path, "/api/v1/reports");
  EXPECT_EQ(request.query, "study=s%201&x");
  EXPECT_EQ(request.authorization, "Bearer t");
  EXPECT_EQ(request.content_type, "application/json");
  EXPECT_EQ(request.content_length, 12u);
  EXPECT_TRUE(request.has_body);
  EXPECT_TRUE(head.keep_alive);
  ASSERT_EQ(request.headers.size(), 5u);
  EXPECT_EQ(request.Find("HOST"), "weir.example:8080");
  EXPECT_EQ(request.Find("x-empty"), "");
  EXPECT_GE(request.authorization.data(), bytes.data());
  EXPECT_LT(request.authorization.data(), bytes.data() + bytes.size());
}

TEST(RequestHead, KeepsNothingOfTheOneBefore) {
  RequestHead head;
  ASSERT_FALSE(
      Parse("POST /a?q HTTP/1.1\r\nHost: a\r\nAuthorization: t\r\nContent-Encoding: gzip\r\n"
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
            &head));
  EXPECT_TRUE(head.chunked);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_EQ(head.coding, Coding::kGzip);
  ASSERT_FALSE(Parse("GET / HTTP/1.0\r\n\r\n", &head));
  EXPECT_EQ(head.request.authorization, "");
  EXPECT_EQ(head.request.query, "");
  EXPECT_EQ(head.request.content_length, std::nullopt);
  EXPECT_TRUE(head.request.headers.empty());
  EXPECT_FALSE(head.chunked || head.expects_continue || head.keep_alive || head.http11);
  EXPECT_EQ(head.coding, Coding::kIdentity);
}

TEST(RequestHead, FindsThePathInEveryFormOfTarget) {
  const struct {
    std::string_view line, path, query;
  } cases[] = {
      {"GET / HTTP/1.1", "/", ""},
      {"GET /a/b?c=d?e HTTP/1.1", "/a/b", "c=d?e"},
      {"GET /? HTTP/1.1", "/", ""},
      {"GET //a HTTP/1.1", "//a", ""},
      {"GET http://h:80/a?b HTTP/1.1", "/a", "b"},
      {"GET HTTPS://h HTTP/1.1", "/", ""},
      {"GET http://h?b HTTP/1.1", "/", "b"},
      {"OPTIONS * HTTP/1.1", "*", ""},
      {"OPTIONS http://h HTTP/1.1", "*", ""},
      {"OPTIONS http://h/ HTTP/1.1", "/", ""},
  };
  for (const auto& c : cases) {
    RequestHead head;
    const std::string bytes = std::string(c.line) + "\r\nHost: h\r\n\r\n";
    EXPECT_FALSE(Parse(bytes, &head)) << c.line;
    EXPECT_EQ(head.request.path, c.path) << c.line;
    EXPECT_EQ(head.request.query, c.query) << c.line;
  }
}

TEST(RequestHead, KnowsWhetherTheConnectionStaysOpen) {
  const struct {
    std::string_view bytes;
    bool keep_alive;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
  };
  for (const auto& c : cases) {
    RequestHead head;
    EXPECT_FALSE(Parse(c.bytes, &head)) << c.bytes;
    EXPECT_EQ(head.keep_alive, c.keep_alive) << c.bytes;
  }
}

TEST(RequestHead, RefusesWhatIsMalformedOrCouldBeReadInTwoWays) {
  const struct {
    int status;
    std::string bytes;
  } cases[] = {
      {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {505, "PRI * HTTP/2.0\r\n\r\n"},
      {400, "GET / FTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET /\r\n\r\n"},
      {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET http://u@h/a HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {501, "CONNECT h:443 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n c\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\t\r\nY: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n \r\nY: c\r\n\r\n"},
      {400, std::string("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 35)},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
       "Transfer-Encoding: chunked\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 3\r\n\r\n"},
      {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {417, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n"},
  };
  for (const auto& c : cases) {
    RequestHead head;
    const Refusal refusal = Parse(c.bytes, &head);
    EXPECT_EQ(refusal.status, c.status) << c.bytes << refusal.detail;
  }
}

TEST(RequestHead, AcceptsWhatIsUnusualButClear) {
  for (const std::string_view bytes : {
           "GET / HTTP/1.1\r\nHost:\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
           "get / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST / HTTP/1.0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n",
           "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n",
           "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
       }) {
    RequestHead head;
    const Refusal refusal = Parse(bytes, &head);
    EXPECT_FALSE(refusal) << bytes << refusal.detail;
  }
}

TEST(RequestHead, EndIsFoundHoweverTheBytesCome) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n";
  const size_t end = bytes.find("rest");
  size_t scanned = 0;
  for (size_t size = 0; size < end; ++size) {
    EXPECT_EQ(FindHeadEnd(bytes.substr(0, size), &scanned), 0u);
  }
  EXPECT_EQ(FindHeadEnd(bytes, &scanned), end);
}

}  // namespace
}  // namespace weir::net
