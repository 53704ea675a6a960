#include "clinical/json_reader.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

#include "base/json_writer.h"

namespace weir::clinical {
namespace {

using Kind = JsonReader::Kind;

// Reads anything and writes it again in one form, through the interface under test.
void Copy(JsonReader& json, base::JsonWriter& out) {
  switch (json.Peek()) {
    case Kind::kObject: {
      out.BeginObject();
      json.BeginObject();
      JsonString key;
      while (json.NextMember(&key)) {
        out.Key(Unescape(key.raw));
        Copy(json, out);
      }
      out.EndObject();
      return;
    }
    case Kind::kArray:
      out.BeginArray();
      json.BeginArray();
      while (json.NextElement()) Copy(json, out);
      out.EndArray();
      return;
    case Kind::kString:
      out.String(Unescape(json.String().raw));
      return;
    case Kind::kNumber:
      out.Number(ToDouble(json.Number()).value_or(-1));
      return;
    case Kind::kTrue:
      out.Bool(true);
      return json.Literal();
    case Kind::kFalse:
      out.Bool(false);
      return json.Literal();
    case Kind::kNull:
      out.Null();
      return json.Literal();
    case Kind::kNone:
      return json.Skip();
  }
}

void CopyOther(const simdjson::dom::element& json, base::JsonWriter& out) {
  switch (json.type()) {
    case simdjson::dom::element_type::OBJECT:
      out.BeginObject();
      for (const auto field : simdjson::dom::object(json)) {
        out.Key(field.key);
        CopyOther(field.value, out);
      }
      out.EndObject();
      return;
    case simdjson::dom::element_type::ARRAY:
      out.BeginArray();
      for (const auto element : simdjson::dom::array(json)) CopyOther(element, out);
      out.EndArray();
      return;
    case simdjson::dom::element_type::STRING:
      out.String(std::string_view(json));
      return;
    case simdjson::dom::element_type::BOOL:
      out.Bool(bool(json));
      return;
    case simdjson::dom::element_type::NULL_VALUE:
      out.Null();
      return;
    default: {
      const double number = json;
      out.Number(number == 0 ? 0.0 : number);
    }
  }
}

std::string RandomJson(std::mt19937& random, int depth) {
  constexpr const char* kStrings[] = {R"("")",
                                      R"("a")",
                                      R"("\/44250-9")",
                                      R"("\u00e9\n\"\\")",
                                      R"("\ud83d\ude00 long enough for several words")",
                                      R"("Grüße, ελληνικά")"};
  constexpr const char* kNumbers[] = {"0", "-0", "1.5", "-12e-3", "1E5", "123456789", "0.1"};
  const auto space = [&] { return std::string(random() % 3 == 0 ? " \n" : ""); };
  switch (depth == 0 ? random() % 4 + 2 : random() % 6) {
    case 0: {
      std::string json = "{" + space();
      for (size_t i = random() % 4; i > 0; --i) {
        json += kStrings[random() % std::size(kStrings)] + space() + ":" + space() +
                RandomJson(random, depth - 1) + space() + (i > 1 ? "," : "");
      }
      return json + "}";
    }
    case 1: {
      std::string json = "[" + space();
      for (size_t i = random() % 4; i > 0; --i) {
        json += RandomJson(random, depth - 1) + space() + (i > 1 ? "," : "");
      }
      return json + "]";
    }
    case 2:
      return kNumbers[random() % std::size(kNumbers)];
    case 3:
      return random() % 2 == 0 ? "true" : "false";
    case 4:
      return "null";
    default:
      return kStrings[random() % std::size(kStrings)];
  }
}

// What another reader takes, this one takes, and finds the same in it.
TEST(JsonReader, AgreesWithAnotherReader) {
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = RandomJson(random, 5);
    if (i % 4 == 0 && !text.empty()) text[random() % text.size()] = "{}[]\":,\\x1 "[random() % 11];
    SCOPED_TRACE(text);
    simdjson::dom::element other;
    if (parser.parse(text).get(other) != simdjson::SUCCESS) continue;
    std::string theirs, ours;
    base::JsonWriter their_writer(theirs), our_writer(ours);
    CopyOther(other, their_writer);
    JsonReader json(text);
    Copy(json, our_writer);
    ASSERT_FALSE(json.failed());
    ASSERT_TRUE(json.AtEnd());
    ASSERT_EQ(ours, theirs);
  }
}

TEST(JsonReader, StopsAtWhatIsNoJson) {
  for (const char* text :
       {"", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "\"a", "\"\\", "tru", "nul",
        "[1 2]", "{\"a\":1 \"b\":2}", "}", "{1:2}", "'a'"}) {
    SCOPED_TRACE(text);
    JsonReader json(text);
    json.Skip();
    EXPECT_TRUE(json.failed());
  }
}

TEST(JsonReader, BoundsNesting) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  const std::string deepest = nested(JsonReader::kDepthMax),
                    deeper = nested(JsonReader::kDepthMax + 1);
  JsonReader good(deepest), bad(deeper);
  good.Skip();
  bad.Skip();
  EXPECT_FALSE(good.failed());
  EXPECT_TRUE(bad.failed());
}

// An emoji cut in half in a comment costs that character, not the report.
TEST(Unescape, KeepsWhatItCan) {
  EXPECT_EQ(Unescape(R"(a\ud83db)"), "a\uFFFDb");
  EXPECT_EQ(Unescape(R"(\ude00)"), "\uFFFD");
  EXPECT_EQ(Unescape(R"(\ud83d\u0041)"), "\uFFFDA");
  EXPECT_EQ(Unescape(R"(\u12)"), "u12");
  EXPECT_EQ(Unescape(R"(\uD83D\uDE00\t\/)"), "\U0001F600\t/");
}

TEST(ToDouble, TakesFiniteNumbersOnly) {
  EXPECT_EQ(ToDouble("3"), 3);
  EXPECT_EQ(ToDouble("-2.5e1"), -25);
  for (const char* text : {"", "1e999", "inf", "nan", "1 ", " 1", "1,5", "0x10", "-", "--1"}) {
    EXPECT_EQ(ToDouble(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace weir::clinical
