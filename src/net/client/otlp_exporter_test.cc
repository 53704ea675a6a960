// Spans on their way to a collector that takes them, refuses them, hangs, or is away.
#include "net/client/otlp_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "testing/http/http_sink.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;
using testing::HttpReceived;
using testing::HttpReply;
using testing::HttpSink;
using ::testing::StartsWith;

observe::Span SampleSpan(uint64_t number) {
  const auto context =
      *observe::ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  return {.of = context,
          .id = observe::DeriveSpan(context, number, "test"),
          .kind = observe::SpanKind::kConsumer,
          .name = observe::SpanName::Task("cleanse"),
          .start_ns = 1'000,
          .end_ns = 3'000,
          .attributes = {observe::span_attributes::AtOffset(base::Offset(number))}};
}

// What is not seen within 20 s never comes.
template <class F>
bool Eventually(F&& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class Export : public ::testing::Test {
 protected:
  static OtlpOptions Options(const HttpSink& sink) {
    return {.url = OtlpTracesUrl(sink.Url("")),
            .timeout_ms = 300,
            .batch_max = 4,
            .linger_ms = 1,
            .retry_min_ms = 1,
            .retry_max_ms = 5,
            .gzip = false,
            .resource = {.service_name = "ward", .service_version = "1.2"}};
  }
  void Start(OtlpOptions options, guard::BreakersOptions breakers = {.on = false},
             observe::SpanQueue::Limits limits = {}) {
    queue_ = std::make_unique<observe::SpanQueue>(limits);
    breakers_ = std::make_unique<guard::Breakers>(breakers);
    client_ = std::move(*Client::Start({.connections_max = 2}));
    const base::Clock& clock = base::SystemClock();
    auto started = OtlpExporter::Start(std::move(options), *queue_, *client_,
                                       breakers_->Of("otlp", clock.SteadyNs()), clock);
    ASSERT_TRUE(started.has_value());
    exporter_ = std::move(*started);
  }
  void AddSpans(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) queue_->Add(SampleSpan(next_++));
  }
  bool WaitExported(uint64_t count) {
    return Eventually([&] { return exporter_->stats().exported >= count; });
  }

  std::unique_ptr<observe::SpanQueue> queue_;
  std::unique_ptr<guard::Breakers> breakers_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<OtlpExporter> exporter_;
  uint64_t next_ = 1;
};

TEST(OtlpJson, IsWhatTheSpecificationShows) {
  const observe::Span spans[] = {SampleSpan(7)};
  std::string id;
  spans[0].id.AppendHex(id);
  EXPECT_EQ(OtlpTraces({.service_name = "ward", .service_version = "1.2"}, spans, 5'000'000),
            R"({"resourceSpans":[{"resource":{"attributes":[)"
            R"({"key":"service.name","value":{"stringValue":"ward"}},)"
            R"({"key":"service.version","value":{"stringValue":"1.2"}}]},)"
            R"("scopeSpans":[{"scope":{"name":"weir"},"spans":[{)"
            R"("traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":")" +
                id +
                R"(","parentSpanId":"00f067aa0ba902b7","name":"task cleanse","kind":5,)"
                R"("startTimeUnixNano":"5001000","endTimeUnixNano":"5003000",)"
                R"("attributes":[{"key":"weir.journal.offset","value":{"intValue":"7"}}]}]}]}]})");
}

TEST(OtlpJson, FindsWhatWasRejected) {
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}})"), 3u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess": {"rejectedSpans": 4}})"), 4u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{}})"), 0u);
  EXPECT_EQ(RejectedSpans("\"rejectedSpans\""), 0u);
}

TEST(OtlpUrl, IsCompletedAsOtherProgramsWriteIt) {
  EXPECT_EQ(OtlpTracesUrl("127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
  EXPECT_EQ(OtlpTracesUrl("collector.example:4318"), "https://collector.example:4318/v1/traces");
  EXPECT_EQ(OtlpTracesUrl("https://c.example/"), "https://c.example/v1/traces");
  EXPECT_EQ(OtlpTracesUrl("https://c.example/otlp/traces"), "https://c.example/otlp/traces");
}

TEST_F(Export, SendsBatchesWithTheHeadersItWasGiven) {
  HttpSink sink([](const HttpReceived&) { return HttpReply{.body = "{}"}; });
  OtlpOptions options = Options(sink);
  options.headers = {{"api-key", "s3cret"}};
  Start(std::move(options));
  AddSpans(10);
  ASSERT_TRUE(WaitExported(10));
  for (const HttpReceived& request : sink.received()) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/traces");
    EXPECT_EQ(request.Header("content-type"), "application/json");
    EXPECT_EQ(request.Header("api-key"), "s3cret");
    EXPECT_THAT(request.body, StartsWith(R"({"resourceSpans":)"));
  }
  EXPECT_GE(sink.count(), 3u);  // of at most four spans
  EXPECT_EQ(exporter_->stats().failed, 0u);
}

TEST_F(Export, CompressesWhereAsked) {
  HttpSink sink([](const HttpReceived&) { return HttpReply{}; });
  OtlpOptions options = Options(sink);
  options.gzip = true;
  Start(std::move(options));
  AddSpans(1);
  ASSERT_TRUE(WaitExported(1));
  EXPECT_EQ(sink.received().at(0).Header("content-encoding"), "gzip");
  EXPECT_THAT(base::ToHex(sink.received().at(0).body), StartsWith("1f8b08"));
}

TEST_F(Export, CountsWhatTheCollectorDoesNotWant) {
  HttpSink sink([](const HttpReceived&) {
    return HttpReply{.body = R"({"partialSuccess":{"rejectedSpans":"1"}})"};
  });
  Start(Options(sink));
  AddSpans(4);
  ASSERT_TRUE(Eventually([&] { return exporter_->stats().rejected >= 1; }));
  sink.SetHandler([](const HttpReceived&) { return HttpReply{.status = 400}; });
  AddSpans(4);
  ASSERT_TRUE(Eventually([&] { return exporter_->stats().failed >= 4; }));
  sink.SetHandler([](const HttpReceived&) { return HttpReply{}; });
  const uint64_t before = exporter_->stats().exported;
  AddSpans(1);
  EXPECT_TRUE(WaitExported(before + 1));
}

// A tenth of what was sent well may be sent again.
TEST_F(Export, SendsAgainWithinItsBudget) {
  std::atomic<int> count{0};
  HttpSink sink([&](const HttpReceived&) {
    return HttpReply{.status = ++count > 20 && count % 2 == 1 ? 503 : 200,
                     .headers = "Retry-After: 0\r\n"};
  });
  Start(Options(sink));
  for (int i = 0; i < 20; ++i) {
    AddSpans(1);
    ASSERT_TRUE(WaitExported(static_cast<uint64_t>(i) + 1));
  }
  AddSpans(1);  // refused once, and there is budget for two
  EXPECT_TRUE(WaitExported(21));
  EXPECT_EQ(exporter_->stats().failed, 0u);
}

TEST_F(Export, WaitsForTheDateThatTheCollectorNamesUpToItsOwnBound) {
  constexpr int kBoundMs = 200;
  std::atomic<int> count{0};
  std::atomic<int64_t> refused_ns{0}, sent_again_ns{0};
  HttpSink sink([&](const HttpReceived&) -> HttpReply {
    const int number = ++count;
    if (number == 11) sent_again_ns = base::SystemClock().SteadyNs();
    if (number != 10) return {};
    refused_ns = base::SystemClock().SteadyNs();
    return {.status = 503, .headers = "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"};
  });
  OtlpOptions options = Options(sink);
  options.retry_max_ms = kBoundMs;
  Start(std::move(options));
  for (uint64_t i = 1; i <= 10; ++i) {  // the tenth has earned a retry
    AddSpans(1);
    ASSERT_TRUE(WaitExported(i));
  }
  EXPECT_GE(sent_again_ns - refused_ns, kBoundMs * 1'000'000);
  EXPECT_EQ(exporter_->stats().failed, 0u);
}

TEST_F(Export, GoesOnWhenACollectorThatHungAnswersAgain) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  Start(Options(sink), {.on = false}, {.spans_max = 8});
  AddSpans(4);
  ASSERT_TRUE(sink.WaitUntil([&] { return sink.hanging() == 1; }));
  AddSpans(100);  // does not wait
  EXPECT_GE(queue_->stats().dropped, 88u);
  EXPECT_LE(queue_->size(), 8u);
  sink.SetHandler([](const HttpReceived&) { return HttpReply{}; });
  sink.ReleaseHung();
  ASSERT_TRUE(Eventually([&] { return queue_->size() == 0; }));
  const uint64_t before = exporter_->stats().exported;
  AddSpans(3);
  EXPECT_TRUE(WaitExported(before + 3));
}

TEST_F(Export, GoesOnWhenACollectorThatWasAwayIsBack) {
  HttpSink sink([](const HttpReceived&) { return HttpReply{}; }, {.listening = false});
  guard::BreakersOptions breakers;
  breakers.breaker = {.calls_min = 3, .open_ns = 20'000'000, .probes = 1};
  Start(Options(sink), breakers);
  const auto opened = [&] {
    AddSpans(4);
    return breakers_->List(base::SystemClock().SteadyNs()).at(0).opened > 0;
  };
  ASSERT_TRUE(Eventually(opened));
  const uint64_t failed = exporter_->stats().failed;
  EXPECT_GT(failed, 0u);
  sink.Listen();
  ASSERT_TRUE(WaitExported(1));
}

TEST_F(Export, SendsWhatIsLeftBeforeItStops) {
  HttpSink sink([](const HttpReceived&) { return HttpReply{}; });
  OtlpOptions options = Options(sink);
  options.linger_ms = 60'000;
  options.batch_max = 100;
  options.timeout_ms = 20'000;
  Start(std::move(options));
  AddSpans(50);
  exporter_->Stop();
  EXPECT_EQ(exporter_->stats().exported, 50u);
  queue_->Add(SampleSpan(1));
  EXPECT_EQ(queue_->stats().dropped, 1u);
}

TEST_F(Export, StopsInTimeWithACollectorThatHangs) {
  HttpSink sink([](const HttpReceived&) { return HttpReply::Hang(); });
  Start(Options(sink));
  AddSpans(50);
  ASSERT_TRUE(sink.WaitUntil([&] { return sink.hanging() == 1; }));
  exporter_->Stop();
  EXPECT_EQ(exporter_->stats().failed, 50u);
  EXPECT_LE(sink.count(), 3u);
  sink.ReleaseHung();
}

TEST(OtlpExporter, RefusesWhatTheClientWould) {
  observe::SpanQueue queue({});
  guard::Breakers breakers({});
  auto client = std::move(*Client::Start({}));
  const auto start = [&](OtlpOptions options) {
    return OtlpExporter::Start(std::move(options), queue, *client, breakers.Of("otlp", 0),
                               base::SystemClock())
        .has_value();
  };
  EXPECT_FALSE(start({.url = "http://collector.example/v1/traces"}));
  EXPECT_FALSE(start({.url = "https://c.example/", .headers = {{"a", "b\r\nc: d"}}}));
}

}  // namespace
}  // namespace weir::net
