// Deliveries over a real journal whose disk loses power at any call.
#include <gmock/gmock.h>

#include <chrono>
#include <random>
#include <set>

#include "alerts/alerts_test_support.h"
#include "alerts/delivery.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/http/http_sink.h"

namespace weir::alerts {
namespace {

using testing::FaultyFileSystem;
using ::testing::HasSubstr;
using testing::HttpReceived;
using testing::HttpReply;
using testing::HttpSink;
using ::testing::Not;
using ::testing::SizeIs;

constexpr uint64_t kAlerts = 12;

// One installation: a journal on a faulty disk, a store, and what runs between them.
class Installation {
 public:
  Installation(uint64_t seed, Routing routing)
      : disk_(seed), routing_(std::move(routing)), seed_(seed) {}

  // The reports' records; offsets 0 to kAlerts - 1.
  void TakeReports() {
    OpenJournal();
    for (uint64_t i = 0; i < kAlerts; ++i) {
      const std::string id = "r" + std::to_string(i);
      journal::RecordHeader header;
      header.kind = static_cast<uint16_t>(wire::Kind::kReport);
      header.flags = journal::kControl | journal::kUrgent;
      header.key = wire::ReportKey("s1", id);
      header.sha256 = base::Sha256("{}");
      const auto appended = journal_->AppendAndWait(header, wire::Encode(wire::ReportHead{}), "{}");
      ASSERT_EQ(appended.offset, Offset(i));
    }
    ASSERT_TRUE(journal_->Stop());
    journal_.reset();
  }

  // Starts everything, and works until all is delivered or the power goes. The latter: false.
  bool Run(std::optional<uint64_t> cut_after_calls) {
    OpenJournal();
    FindEnded();
    Committer committer(*store_, routing_, base::SystemClock());
    ControlLane lane(*journal_, committer);  // from the start each time: applying again is harmless
    committer.Commit([&] {
      for (uint64_t i = 0; i < kAlerts; ++i) committer.Raise({.offset = i});
    });
    if (cut_after_calls) disk_.CutPowerAtCall(disk_.calls() + *cut_after_calls);
    auto client = std::move(*net::Client::Start({}));
    DeliveryOptions options;
    options.retry = {.min_ms = 1, .max_ms = 5, .target_pause_max_ms = 5};
    options.escalation.after_ms = 0;
    options.seed = seed_;
    guard::Breakers breakers({});
    auto engine = std::move(*DeliveryEngine::Start(
        options, routing_,
        {*store_, *journal_, *client, base::SystemClock(), observe::Log::None(), breakers}));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!disk_.power_is_off() && OutboxRows(committer) > 0) {
      EXPECT_LT(std::chrono::steady_clock::now(), deadline);
      if (std::chrono::steady_clock::now() > deadline) break;
      lane.Run();
      lane.WaitForMore();
    }
    const bool off = disk_.power_is_off();
    engine.reset();
    client.reset();
    if (off) {
      journal_.reset();
      disk_.LosePower();
    } else {
      EXPECT_TRUE(journal_->Stop());
      journal_.reset();
    }
    return !off;
  }

  // The alerts whose delivery had a durable outcome when Run() began.
  const std::set<std::string>& ended() const { return ended_; }

  // The tables that a rebuild repeats, made anew from the journal, and as they are.
  void ExpectRebuildIsEqual() {
    OpenJournal();
    StoreOnDisk rebuilt_store;
    Committer rebuilt(*rebuilt_store, routing_, base::SystemClock());
    ControlLane lane(*journal_, rebuilt);
    lane.Run();  // ahead of the reports, as far as can be
    rebuilt.Commit([&] {
      for (uint64_t i = 0; i < kAlerts; ++i) rebuilt.Raise({.offset = i});
    });
    Committer stored(*store_, routing_, base::SystemClock());
    for (const auto& [sql, columns] :
         {std::pair<std::string_view, int>{"SELECT * FROM alerts ORDER BY 1", 16},
          {"SELECT * FROM alert_deliveries ORDER BY 1, 2, 3", 8},
          {"SELECT * FROM alert_waiting ORDER BY 1", 6}}) {
      EXPECT_EQ(Rows(rebuilt.writer(), sql, columns), Rows(stored.writer(), sql, columns)) << sql;
    }
    EXPECT_EQ(OutboxRows(rebuilt), 0u);
    EXPECT_THAT(Rows(stored.writer(), "SELECT 1 FROM alert_deliveries WHERE delivered = 1", 1),
                SizeIs(kAlerts));
    EXPECT_TRUE(journal_->Stop());
    journal_.reset();
  }

 private:
  static size_t OutboxRows(Committer& committer) {
    return Rows(committer.writer(), "SELECT id FROM alert_outbox", 1).size();
  }
  void OpenJournal() {
    journal::Options options;
    options.directory = "data/journal";
    options.segment_bytes = 64u << 10;
    auto opened = journal::Journal::Open(disk_, base::SystemClock(), options);
    ASSERT_TRUE(opened.has_value()) << base::ToString(opened.error());
    journal_ = std::move(*opened);
  }

  void FindEnded() {
    ended_.clear();
    for (uint64_t i = 0; i < kAlerts; ++i) {
      const auto known = journal_->Find(wire::DeliveryKey(Offset(i), 0, "ward"));
      ASSERT_TRUE(known.has_value());
      if (!known->empty()) ended_.insert("\"id\":\"" + AlertId(Offset(i)) + "\"");
    }
  }

  FaultyFileSystem disk_;
  StoreOnDisk store_;
  std::set<std::string> ended_;
  std::unique_ptr<journal::Journal> journal_;
  const Routing routing_;
  const uint64_t seed_;
};

TEST(PowerLoss, EveryAlertIsDeliveredOnceByKeyAndARebuildKnowsIt) {
  size_t all_cuts = 0, sent_again = 0;
  for (uint64_t seed = 0; seed < 25; ++seed) {
    SCOPED_TRACE(seed);
    HttpSink sink([](const HttpReceived&) { return HttpReply{}; });
    auto routing = Routing::Build(
        {.targets = {TestTarget("ward", sink.Url("/"))}, .routes = {{.targets = {"ward"}}}});
    ASSERT_TRUE(routing.has_value());
    Installation weir(seed, std::move(*routing));
    weir.TakeReports();
    std::mt19937_64 random(seed);
    int cuts = 0;
    bool done = false;
    while (!done) {
      const size_t sent_before = sink.count();
      done = weir.Run(cuts < 3 ? std::optional(random() % 30) : std::nullopt);
      if (!done) ++cuts;
      const auto received = sink.received();
      for (size_t i = sent_before; i < received.size(); ++i) {
        for (const std::string& id : weir.ended()) {
          EXPECT_THAT(received[i].body, Not(HasSubstr(id)));
        }
      }
    }
    ASSERT_LE(cuts, 3);
    std::set<std::string> keys;
    for (const HttpReceived& request : sink.received()) {
      keys.insert(request.Header("idempotency-key"));
    }
    EXPECT_THAT(keys, SizeIs(kAlerts));
    all_cuts += static_cast<size_t>(cuts);
    sent_again += sink.count() - kAlerts;
    const size_t before = sink.count();
    EXPECT_TRUE(weir.Run(std::nullopt));
    EXPECT_EQ(sink.count(), before);
    weir.ExpectRebuildIsEqual();
  }
  // The test has met what it is about.
  EXPECT_GT(all_cuts, 25u);
  EXPECT_GT(sent_again, 0u);
  RecordProperty("cuts", std::to_string(all_cuts));
  RecordProperty("sent_again", std::to_string(sent_again));
}

}  // namespace
}  // namespace weir::alerts
