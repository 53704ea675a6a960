#include "net/client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>

#include "testing/http/http_sink.h"
#include "testing/http/tls_identity.h"

namespace weir::net {
namespace {

using base::ErrorCode;
using base::Result;
using std::chrono::milliseconds;
using testing::HttpReceived;
using testing::HttpReply;
using testing::HttpSink;

std::unique_ptr<Client> StartClient(ClientOptions options = {}) {
  auto client = Client::Start(options);
  EXPECT_TRUE(client.has_value());
  return std::move(*client);
}

std::future<Result<ClientResponse>> Send(Client& client, ClientRequest request) {
  auto promise = std::make_shared<std::promise<Result<ClientResponse>>>();
  auto future = promise->get_future();
  const base::Status sent = client.Send(
      std::move(request), [promise](auto result) { promise->set_value(std::move(result)); });
  if (!sent) promise->set_value(base::Fail(sent.error()));
  return future;
}

ClientRequest Post(const HttpSink& sink, std::string body = "{}") {
  ClientRequest request;
  request.url = sink.Url("/hook");
  request.headers = {{"Content-Type", "application/json"}, {"X-Name", "value"}};
  request.body = std::move(body);
  return request;
}

HttpReply Ok(const HttpReceived&) { return {.status = 200, .body = "fine"}; }

TEST(Client, SendsWhatItIsGivenAndReturnsTheAnswer) {
  HttpSink sink([](const HttpReceived&) {
    return HttpReply{.status = 503, .headers = "Retry-After: 7\r\n", .body = "later"};
  });
  auto client = StartClient({.user_agent = "weir/test"});
  const auto response = Send(*client, Post(sink, std::string("a\0b", 3))).get();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "later");
  EXPECT_EQ(response->Header("retry-after"), "7");
  const HttpReceived request = sink.received().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/hook");
  EXPECT_EQ(request.body, std::string("a\0b", 3));
  EXPECT_EQ(request.Header("x-name"), "value");
  EXPECT_EQ(request.Header("user-agent"), "weir/test");
  EXPECT_EQ(request.Header("content-type"), "application/json");
}

TEST(Client, SpeaksTheUsualMethods) {
  HttpSink sink(Ok);
  auto client = StartClient();
  for (const char* method : {"GET", "PUT", "DELETE", "HEAD", "POST"}) {
    ClientRequest request;
    request.method = method;
    request.url = sink.Url("/x");
    if (request.method == "PUT") request.body = "body";
    const auto response = Send(*client, std::move(request)).get();
    ASSERT_TRUE(response.has_value()) << method;
    EXPECT_EQ(sink.received().back().method, method);
  }
  EXPECT_EQ(sink.received().at(1).body, "body");
}

TEST(Client, ADeadlineEndsARequestThatHangsAndTheNextOneSucceeds) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  auto client = StartClient();
  ClientRequest request = Post(sink);
  request.timeout_ms = 50;
  const auto hung = Send(*client, std::move(request)).get();
  ASSERT_FALSE(hung.has_value());
  EXPECT_EQ(hung.error().code, ErrorCode::kDeadline);
  sink.SetHandler(Ok);
  EXPECT_EQ(Send(*client, Post(sink)).get()->status, 200);
}

TEST(Client, ADeadlineHoldsForARequestThatWaitsForAConnection) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  auto client = StartClient({.connections_max = 1});
  auto first = Send(*client, Post(sink));
  ASSERT_TRUE(sink.WaitUntil([&] { return sink.hanging() == 1; }));
  ClientRequest second = Post(sink);
  second.timeout_ms = 30;
  const auto waited = Send(*client, std::move(second)).get();
  ASSERT_FALSE(waited.has_value());
  EXPECT_EQ(waited.error().code, ErrorCode::kDeadline);
  sink.ReleaseHung();
  EXPECT_EQ(first.get()->status, 200);
}

TEST(Client, ARefusedConnectionIsAnErrorUntilTheServerListens) {
  HttpSink sink(Ok, {.listening = false});
  auto client = StartClient();
  const auto refused = Send(*client, Post(sink)).get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, ::testing::Not(::testing::HasSubstr("hook")));
  sink.Listen();
  EXPECT_EQ(Send(*client, Post(sink)).get()->status, 200);
}

TEST(Client, ACutOffAnswerIsAnError) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::CutOff(); });
  auto client = StartClient();
  const auto cut = Send(*client, Post(sink)).get();
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code, ErrorCode::kUnavailable);
}

TEST(Client, KeepsNoMoreOfAnAnswerThanItsBound) {
  HttpSink sink([](const HttpReceived&) {
    return HttpReply{.status = 200, .body = std::string(1u << 20, 'x')};
  });
  auto client = StartClient();
  ClientRequest request = Post(sink);
  request.response_bytes_max = 1000;
  const auto response = Send(*client, std::move(request)).get();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body.size(), 1000u);
  EXPECT_TRUE(response->body_cut);
}

TEST(Client, RefusesAnAnswerWhoseHeaderHasNoEnd) {
  HttpSink sink([](const HttpReceived&) {
    std::string lines;
    for (int i = 0; i < 100; ++i) lines += "X-Filler: " + std::string(1000, 'x') + "\r\n";
    return HttpReply{.status = 200, .headers = lines};
  });
  auto client = StartClient();
  const auto response = Send(*client, Post(sink)).get();
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().message, "the answer's header is too large");
}

TEST(Client, ARedirectIsAnAnswerLikeAnyOther) {
  HttpSink sink([](const HttpReceived&) {
    return HttpReply{.status = 302, .headers = "Location: /elsewhere\r\n"};
  });
  auto client = StartClient();
  EXPECT_EQ(Send(*client, Post(sink)).get()->status, 302);
  EXPECT_EQ(sink.count(), 1u);
}

TEST(Client, RefusesWhatItHasNoRoomForAndTakesMoreLater) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  auto client = StartClient({.requests_max = 2});
  auto first = Send(*client, Post(sink));
  auto second = Send(*client, Post(sink));
  EXPECT_EQ(Send(*client, Post(sink)).get().error().code, ErrorCode::kBacklogFull);
  ASSERT_TRUE(sink.WaitUntil([&] { return sink.hanging() == 2; }));
  sink.SetHandler(Ok);
  sink.ReleaseHung();
  EXPECT_EQ(first.get()->status, 200);
  EXPECT_EQ(second.get()->status, 200);
  // The place is free once `done` has returned.
  EXPECT_TRUE(sink.WaitUntil([&] { return Send(*client, Post(sink)).get().has_value(); }));
}

TEST(Client, EndsWhatIsUnderWayWhenItStops) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  auto client = StartClient({.connections_max = 1});
  auto active = Send(*client, Post(sink));
  auto waiting = Send(*client, Post(sink));
  ASSERT_TRUE(sink.WaitUntil([&] { return sink.hanging() == 1; }));
  client.reset();
  EXPECT_EQ(active.get().error().code, ErrorCode::kStopped);
  EXPECT_EQ(waiting.get().error().code, ErrorCode::kStopped);
}

TEST(Client, RefusesHeadersThatWouldSmuggleOthers) {
  HttpSink sink(Ok);
  auto client = StartClient();
  ClientRequest request = Post(sink);
  request.headers.emplace_back("X-Bad", "a\r\nX-Smuggled: b");
  EXPECT_EQ(Send(*client, std::move(request)).get().error().code, ErrorCode::kInvalidArgument);
}

TEST(ClientTls, RefusesACertificateThatNobodyItTrustsHasSigned) {
  const testing::TlsIdentity identity;
  HttpSink sink(Ok, {.tls = &identity});
  auto client = StartClient();
  const auto refused = Send(*client, Post(sink)).get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(sink.count(), 0u);  // nothing was sent
}

TEST(ClientTls, SpeaksToAServerThatTheConfiguredAuthorityHasSigned) {
  const testing::TlsIdentity identity;
  HttpSink sink(Ok, {.tls = &identity});
  std::string path = ::testing::TempDir() + "weir-ca-XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << identity.certificate_pem();
  auto client = StartClient({.ca_file = path});
  const auto response = Send(*client, Post(sink)).get();
  unlink(path.c_str());
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 200);
}

TEST(CheckUrl, TakesHttpsAndLoopbackHttpAlone) {
  for (const char* good : {"https://hospital.example/hook?key=1", "http://127.0.0.1:8090/a",
                           "http://127.9.9.9", "http://[::1]:1/", "http://localhost/x"}) {
    EXPECT_TRUE(CheckUrl(good).has_value()) << good;
  }
  for (const char* bad :
       {"http://hospital.example/", "http://127.0.0.1.example/", "http://10.0.0.1/",
        "ftp://127.0.0.1/", "file:///etc/passwd", "hospital.example", "", "https://",
        "https://user:secret@hospital.example/", "http://localhost.example/"}) {
    EXPECT_FALSE(CheckUrl(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace weir::net
