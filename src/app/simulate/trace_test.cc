#include "app/simulate/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>

namespace weir::app {
namespace {

using ::testing::HasSubstr;

base::Result<std::vector<TraceCall>> Read(std::string text) {
  std::istringstream in(std::move(text));
  return ReadTrace(in);
}

TEST(Trace, TellsOfEachCallWhatItsColumnsSay) {
  const auto trace = Read(
      "at_ms,service_ms,result,sync_ms,class,count,cpu\r\n"
      "0,15,ok,20,read,2,900\r\n"
      "7,0,fail,,urgent,,\r\n"
      "7,1,ok");
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->size(), 4u);
  for (const TraceCall& call : {(*trace)[0], (*trace)[1]}) {
    EXPECT_EQ(std::pair(call.at_ms, call.service_ms), std::pair(int64_t{0}, int64_t{15}));
    EXPECT_FALSE(call.fails);
    EXPECT_EQ(call.of, guard::Criticality::kRead);
    EXPECT_EQ(call.cpu, 900);
    EXPECT_EQ(call.sync_ms, 20);
  }
  EXPECT_TRUE((*trace)[2].fails);
  EXPECT_EQ((*trace)[2].of, guard::Criticality::kUrgent);
  EXPECT_EQ((*trace)[2].cpu, std::nullopt);
  EXPECT_EQ((*trace)[2].sync_ms, std::nullopt);
  EXPECT_EQ((*trace)[3].of, guard::Criticality::kReport) << "unless it is told";
}

TEST(Trace, OddInputIsToldByItsLineAndWhatBelongsThere) {
  const std::string plain = "at_ms,service_ms,result\n";
  const std::string full = "at_ms,service_ms,result,class,count,cpu,sync_ms\n";
  const std::pair<std::string, const char*> cases[] = {
      {"", "line 1: the trace holds no call"},
      {plain, "line 2: the trace holds no call"},
      {"\n", "line 1: write the heading at_ms,service_ms,result"},
      {"1,2,ok\n", "line 1: write the heading"},
      {"at_ms,result,service_ms\n1,ok,2\n", "line 1: write the heading"},
      {"at_ms,service_ms,result,colour\n", "line 1: write the heading"},
      {"at_ms,service_ms,result,cpu,cpu\n", "line 1: write the heading"},
      {"at_ms,service_ms,result,at_ms\n", "line 1: write the heading"},
      {"\xef\xbb\xbf" + plain, "line 1: write the heading"},
      {plain + "1,2,ok\n\n", "line 3: has 1 fields, and the heading 3"},
      {plain + "1,2\n", "line 2: has 2 fields"},
      {plain + "1,2,ok,report\n", "line 2: has 4 fields"},
      {plain + "-1,2,ok\n", "line 2: at_ms is whole milliseconds"},
      {plain + "1.5,2,ok\n", "line 2: at_ms is whole"},
      {plain + "86400001,2,ok\n", "line 2: at_ms is whole"},
      {plain + "99999999999999999999,2,ok\n", "line 2: at_ms is whole"},
      {plain + "1, 2,ok\n", "line 2: service_ms is whole"},
      {plain + "1,,ok\n", "line 2: service_ms is whole"},
      {plain + "1,2,well\n", "line 2: result is ok or fail"},
      {plain + "5,2,ok\n4,2,ok\n", "line 3: calls must stand in order of time"},
      {full + "1,2,ok,nurse\n", "line 2: class is urgent, report, metric, read or export"},
      {full + "1,2,ok,Report\n", "line 2: class is urgent"},
      {full + "1,2,ok,,0\n", "line 2: count is a number from 1"},
      {full + "1,2,ok,,10000001\n", "line 2: count is a number"},
      {full + "1,2,ok,,10000000\n1,2,ok\n", "line 3: too many calls"},
      {full + "1,2,ok,,,1001\n", "line 2: cpu is thousandths"},
      {full + "1,2,ok,,,,0\n", "line 2: sync_ms is whole milliseconds, from 1"},
      {plain + "1,2,ok" + std::string(1, '\0') + "\n", "line 2: result is ok or fail"},
      {plain + std::string(251, '1') + ",2,ok\n", "line 2: is longer than 255 bytes"},
      {std::string(1 << 20, 'x'), "line 1: is longer than 255 bytes"},
  };
  for (const auto& [text, said] : cases) {
    const auto trace = Read(text);
    ASSERT_FALSE(trace) << text.substr(0, 100);
    EXPECT_THAT(trace.error().message, HasSubstr(said));
  }
  EXPECT_TRUE(Read(plain + "1,2,ok\n"));
}

TEST(Trace, AStreamThatCannotBeReadIsSaid) {
  std::istringstream in("at_ms");
  in.setstate(std::ios::badbit);
  const auto trace = ReadTrace(in);
  ASSERT_FALSE(trace);
  EXPECT_EQ(trace.error().code, base::ErrorCode::kIo);
}

}  // namespace
}  // namespace weir::app
