#include "app/config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

namespace weir::config {
namespace {

// Thrown out of the handler through yaml-cpp's parser, and caught in ParseDocument().
struct Refused : std::runtime_error {
  Refused(int line_, const std::string& what) : std::runtime_error(what), line(line_) {}
  int line;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Node node;
    node.line = Line(mark);
    Take(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused(Line(mark), "aliases (*name) are not taken: write the value again");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    Node node;
    node.kind = Node::Kind::kScalar;
    node.text = value;
    node.quoted = tag == "!";
    node.line = Line(mark);
    Take(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    Node node;
    std::optional<Node> key;                     // of a map, while its value is awaited
    std::unordered_map<std::string, int> lines;  // of its keys
  };

  static int Line(const YAML::Mark& mark) { return mark.line + 1; }
  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) throw Refused(Line(mark), "anchors (&name) are not taken");
  }
  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    RefuseAnchor(mark, anchor);
    if (open_.size() == kDocumentDepthMax) {
      throw Refused(Line(mark), "more than 32 levels deep");
    }
    Level& level = open_.emplace_back();
    level.node.kind = kind;
    level.node.line = Line(mark);
  }
  void Close() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    Take(std::move(node));
  }
  void Take(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = open_.back();
    if (level.node.kind == Node::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      TakeKey(level, std::move(node));
    } else {
      Node key = *std::exchange(level.key, std::nullopt);
      level.node.members.push_back({std::move(key.text), key.line, std::move(node)});
    }
  }
  static void TakeKey(Level& level, Node key) {
    if (key.kind != Node::Kind::kScalar) throw Refused(key.line, "a key must be a text");
    const auto [known, is_new] = level.lines.try_emplace(key.text, key.line);
    if (!is_new) {
      throw Refused(key.line, "'" + key.text + "' stands in line " + std::to_string(known->second) +
                                  " already");
    }
    level.key = std::move(key);
  }

  std::vector<Level> open_;
  Node root_;
};

}  // namespace

base::Result<Node> ParseDocument(std::string_view yaml) {
  if (yaml.size() > kDocumentBytesMax) {
    return base::Fail(base::ErrorCode::kTooLarge, "1: larger than 1 MiB");
  }
  const auto fail = [](int line, const std::string& what) {
    return base::Fail(base::ErrorCode::kInvalidArgument, std::to_string(line) + ": " + what);
  };
  // yaml-cpp takes a NUL for the end of the stream: what follows it would be silently ignored.
  if (const size_t nul = yaml.find('\0'); nul != std::string_view::npos) {
    const auto lines = std::ranges::count(yaml.substr(0, nul), '\n');
    return fail(static_cast<int>(lines) + 1, "a NUL byte");
  }
  try {
    std::istringstream in{std::string(yaml)};
    YAML::Parser parser(in);
    TreeBuilder first, second;
    if (!parser.HandleNextDocument(first)) return Node{};
    if (parser.HandleNextDocument(second)) return fail(1, "more than one document");
    return first.TakeRoot();
  } catch (const Refused& refused) {
    return fail(refused.line, refused.what());
  } catch (const YAML::Exception& error) {
    return fail(error.mark.line + 1, error.msg);
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}

}  // namespace weir::config
