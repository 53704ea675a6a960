#include "net/server/opening.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::net {
namespace {

TEST(Opening, ThePrefaceIsHttp2AndItsBeginningSaysNothingYet) {
  for (size_t i = 0; i < kHttp2Preface.size(); ++i) {
    EXPECT_EQ(LookAtOpening(kHttp2Preface.substr(0, i), ""), Opening::kUndecided);
  }
  EXPECT_EQ(LookAtOpening(kHttp2Preface, ""), Opening::kHttp2);
  EXPECT_EQ(LookAtOpening(std::string(kHttp2Preface) + "more", ""), Opening::kHttp2);
}

TEST(Opening, RequestsAreHttp1HoweverBadTheyAre) {
  for (const char* request : {"GET / HTTP/1.1\r\n", "POST /submit HTTP/1.1\r\n", "PUT", "PRIX",
                              "P ", "PRI * HTTP/1.1\r\n", "GET /\r\n", "GET / HTTP/9.9\r\n", "\r\n",
                              "GET / a b HTTP/1.1\r\n", "one two thr"}) {
    EXPECT_EQ(LookAtOpening(request, ""), Opening::kHttp1) << request;
  }
  EXPECT_EQ(LookAtOpening("INVALID CONNECTION PREFACE\r\n\r\n", ""), Opening::kHttp2);
}

TEST(Opening, WhatTlsAgreedOnDecides) {
  EXPECT_EQ(LookAtOpening("GET / HTTP/1.1\r\n", "h2"), Opening::kHttp2);
  EXPECT_EQ(LookAtOpening(kHttp2Preface, "http/1.1"), Opening::kHttp1);
}

}  // namespace
}  // namespace weir::net
