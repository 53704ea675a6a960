#include "alerts/stream.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "alerts/alerts_test_support.h"

namespace weir::alerts {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kAll = 1u << 30;

// Takes what comes, as the binding to HTTP does, on the test's thread.
class Client {
 public:
  Client(Stream& stream, std::optional<int64_t> last_event_id = {},
         StudyScope scope = StudyScope::All()) {
    auto subscribed = stream.Subscribe(
        {.scope = std::move(scope), .last_event_id = last_event_id, .ready = [this] {
           const std::lock_guard lock(mutex_);
           ready_ns_ = base::SystemClock().SteadyNs();
           ready_ = true;
           changed_.notify_all();
         }});
    EXPECT_TRUE(subscribed.has_value());
    subscription_ = std::move(*subscribed);
  }

  // Takes until `done` holds or it took too long; whether `done` holds.
  template <class F>
  bool TakeUntil(F&& done, size_t bytes_max = kAll) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(20), [&] { return ready_ || more_; });
      ready_ = false;
      lock.unlock();
      Take(bytes_max);
    }
    return true;
  }
  void Take(size_t bytes_max = kAll) {
    std::string text;
    ended_ = !subscription_->Take(text, bytes_max);
    more_ = text.size() >= bytes_max;
    text_ += text;
    for (size_t at = 0; (at = text.find("id: ", at)) != std::string::npos; ++at) {
      ids_.push_back(std::stoll(text.substr(at + 4)));
    }
  }
  bool WaitForIds(size_t count) {
    return TakeUntil([&] { return ids_.size() >= count; });
  }
  bool WaitForText(const std::string& text) {
    return TakeUntil([&] { return text_.find(text) != std::string::npos; });
  }
  bool WaitForEnd() {
    return TakeUntil([&] { return ended_; });
  }

  const std::vector<int64_t>& ids() const { return ids_; }
  const std::string& text() const { return text_; }
  int64_t ready_ns() {
    const std::lock_guard lock(mutex_);
    return ready_ns_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  int64_t ready_ns_ = 0;
  std::string text_;
  std::vector<int64_t> ids_;
  bool ended_ = false;
  bool more_ = false;
  std::unique_ptr<Subscription> subscription_;
};

class StreamTest : public ::testing::Test {
 protected:
  void StartStream(StreamOptions options = {}) {
    auto stream = Stream::Start(options, *store_, clock_, observe::Log::None());
    ASSERT_TRUE(stream.has_value());
    stream_ = std::move(*stream);
    committer_.inbox().SetListener([this] { stream_->Notify(); });
  }
  void Raise(uint64_t first, uint64_t count, const std::string& study = "s1") {
    committer_.Commit([&] {
      for (uint64_t i = 0; i < count; ++i) committer_.Raise({.offset = first + i, .study = study});
    });
  }
  std::vector<int64_t> AllIds() {
    std::vector<int64_t> ids;
    const auto events = EventsAfter(*reader_, 0, INT64_MAX, 1'000'000);
    for (const Event& event : *events) ids.push_back(event.sequence);
    return ids;
  }

  MovableClock clock_;
  StoreOnDisk store_;
  Committer committer_{*store_, Routing(), clock_};
  std::unique_ptr<store::Connection> reader_ = std::move(*store_->OpenReader());
  std::unique_ptr<Stream> stream_;
};

TEST_F(StreamTest, ANewClientGetsWhatNobodyAcknowledgedAndThenWhatComes) {
  Raise(1, 3);
  committer_.Commit([&] {
    committer_.Acknowledge(2, 10);
    committer_.Escalate(1, 11);
  });
  StartStream();
  Client client(*stream_);
  ASSERT_TRUE(client.WaitForIds(2));
  EXPECT_THAT(client.text(), StartsWith("retry: 1000\n\nid: "));
  EXPECT_THAT(client.text(), HasSubstr("\nevent: alert\ndata: {\"id\":\"a-3\""));
  EXPECT_THAT(client.text(), HasSubstr("\"state\":\"escalated\""));
  EXPECT_THAT(client.text(), Not(HasSubstr("a-2")));
  Raise(20, 1);
  ASSERT_TRUE(client.WaitForIds(3));
  committer_.Commit([&] { committer_.Acknowledge(20, 21); });
  ASSERT_TRUE(client.WaitForIds(4));
  EXPECT_THAT(client.text(), HasSubstr("\"acknowledged_by\":\"dr-who\""));
  EXPECT_TRUE(std::is_sorted(client.ids().begin(), client.ids().end()));
}

TEST_F(StreamTest, ResumesWithTheEventAfterTheLastOne) {
  Raise(1, 5);
  StartStream();
  const auto all = AllIds();
  Client client(*stream_, all[1]);
  Raise(10, 1);
  ASSERT_TRUE(client.WaitForIds(4));
  EXPECT_THAT(client.ids(), ElementsAre(all[2], all[3], all[4], AllIds().back()));
}

// Whoever comes back with the number of another store gets all that is open, never less.
TEST_F(StreamTest, ANumberThatTheStoreDoesNotKnowGetsAllOpenOnesAgain) {
  Raise(1, 3);
  StartStream();
  for (const int64_t unknown :
       {int64_t{0}, AllIds().front() - 1, AllIds().back() + 1'000'000'000}) {
    Client client(*stream_, unknown);
    ASSERT_TRUE(client.WaitForIds(3));
    EXPECT_THAT(client.text(), HasSubstr("event: reset\n"));
    EXPECT_EQ(client.ids(), AllIds());
  }
  EXPECT_EQ(ParseLastEventId(""), std::nullopt);
  EXPECT_EQ(ParseLastEventId("abc"), 0);
  EXPECT_EQ(ParseLastEventId("12"), 12);
}

TEST_F(StreamTest, ShowsOnlyTheStudiesInScope) {
  Raise(1, 2, "s1");
  StartStream();
  Client client(*stream_, {}, {false, {"s2"}});
  Raise(3, 2, "s1");
  Raise(5, 1, "s2");
  ASSERT_TRUE(client.WaitForIds(1));
  EXPECT_THAT(client.text(), HasSubstr("a-5"));
  EXPECT_THAT(client.text(), Not(HasSubstr("\"s1\"")));
}

// A client that breaks off anywhere and comes back sees every event once, in order, while alerts
// are raised and acknowledged all the time.
TEST_F(StreamTest, ResumesExactlyWhileAlertsAreRaised) {
  StartStream({.queue_events_max = 16});
  Raise(0, 1);
  constexpr uint64_t kBatches = 150, kPerBatch = 7;
  std::thread raising([&] {
    for (uint64_t batch = 0; batch < kBatches; ++batch) {
      committer_.Commit([&] {
        for (uint64_t i = 0; i < kPerBatch; ++i) {
          const uint64_t offset = 1 + batch * kPerBatch + i;
          committer_.Raise({.offset = offset});
          if (offset % 3 == 0) committer_.Acknowledge(offset / 3, 1'000'000 + offset);
        }
      });
    }
  });
  std::mt19937 random(7);
  std::vector<int64_t> seen;
  const size_t total = 1 + kBatches * kPerBatch + kBatches * kPerBatch / 3;
  while (seen.size() < total) {
    Client client(*stream_, seen.empty() ? std::nullopt : std::optional(seen.back()));
    const size_t want = std::min<size_t>(1 + random() % 60, total - seen.size());
    const size_t piece = 1 + random() % 2000;
    ASSERT_TRUE(client.TakeUntil([&] { return client.ids().size() >= want; }, piece));
    // The connection breaks: what was taken and not yet delivered is lost with it.
    seen.insert(seen.end(), client.ids().begin(),
                client.ids().begin() + static_cast<ptrdiff_t>(want));
    if (seen.size() == want) {  // the first time: what was acknowledged already is left out
      const auto all = AllIds();
      const auto at = std::find(all.begin(), all.end(), seen.back());
      seen.assign(all.begin(), at + 1);
    }
  }
  raising.join();
  EXPECT_EQ(seen, AllIds());
}

// One that reads slowly holds a bounded queue, delays nobody, and still gets everything.
TEST_F(StreamTest, ASlowClientIsBoundedAndMissesNothing) {
  StartStream({.queue_events_max = 8});
  Client slow(*stream_), quick(*stream_);
  ASSERT_TRUE(slow.WaitForText("retry"));
  for (uint64_t i = 0; i < 50; ++i) Raise(i * 10, 10);
  ASSERT_TRUE(quick.WaitForIds(500));
  EXPECT_EQ(quick.ids(), AllIds());
  slow.Take();
  EXPECT_LE(slow.ids().size(), 8u);
  ASSERT_TRUE(slow.TakeUntil([&] { return slow.ids().size() >= 500; }, 100));
  EXPECT_EQ(slow.ids(), AllIds());
}

TEST_F(StreamTest, AClientThatTakesNothingIsEndedAndResumes) {
  StartStream({.stall_timeout_ms = 5000});
  Client client(*stream_);
  ASSERT_TRUE(client.WaitForText("retry"));
  Raise(1, 1);
  ASSERT_TRUE(client.WaitForIds(1));
  const auto taken = client.ids();
  Raise(2, 2);
  // Time passes, and nothing is taken.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (stream_->stats().dropped == 0 && std::chrono::steady_clock::now() < deadline) {
    clock_.Advance(5001);
    stream_->Notify();
    std::this_thread::yield();
  }
  EXPECT_EQ(stream_->stats().dropped, 1u);
  EXPECT_EQ(stream_->stats().subscribers, 0u);
  ASSERT_TRUE(client.WaitForEnd());
  Client again(*stream_, taken.back());
  ASSERT_TRUE(again.WaitForIds(2));
  EXPECT_EQ(again.ids().back(), AllIds().back());
}

TEST_F(StreamTest, ASilentStreamShowsThatItLives) {
  StartStream({.heartbeat_ms = 1000});
  Client client(*stream_);
  ASSERT_TRUE(client.WaitForText("retry"));
  clock_.Advance(1001);
  stream_->Notify();
  EXPECT_TRUE(client.WaitForText(": still here\n\n"));
}

TEST_F(StreamTest, TakesNoMoreClientsThanItsBoundAndOthersWhenSomeLeave) {
  StartStream({.subscribers_max = 2});
  auto first = std::make_unique<Client>(*stream_);
  Client second(*stream_);
  EXPECT_EQ(stream_->Subscribe({.scope = StudyScope::All()}).error().code,
            base::ErrorCode::kBacklogFull);
  first.reset();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (stream_->stats().subscribers == 2 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  Client third(*stream_);
  EXPECT_TRUE(third.WaitForText("retry"));
}

TEST_F(StreamTest, ClosingEndsEveryClient) {
  StartStream();
  Client client(*stream_);
  ASSERT_TRUE(client.WaitForText("retry"));
  stream_->Close();
  EXPECT_TRUE(client.WaitForEnd());
  EXPECT_EQ(stream_->Subscribe({.scope = StudyScope::All()}).error().code,
            base::ErrorCode::kStopped);
}

// From commit to hand-over: half of all within 5 ms, even where other work shares the cores.
TEST_F(StreamTest, HandsAnAlertOverWithinMilliseconds) {
  StartStream();
  Client client(*stream_);
  ASSERT_TRUE(client.WaitForText("retry"));
  std::vector<int64_t> latencies_us;
  for (uint64_t i = 0; i < 200; ++i) {
    Raise(i, 1);
    const int64_t committed = base::SystemClock().SteadyNs();
    ASSERT_TRUE(client.WaitForIds(i + 1));
    latencies_us.push_back(std::max<int64_t>(client.ready_ns() - committed, 0) / 1000);
  }
  std::sort(latencies_us.begin(), latencies_us.end());
  RecordProperty("median_us", std::to_string(latencies_us[100]));
  RecordProperty("p99_us", std::to_string(latencies_us[198]));
  EXPECT_LT(latencies_us[100], 5000);
}

}  // namespace
}  // namespace weir::alerts
