#include "app/config/load.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "app/config/go_zero.h"
#include "app/config/schema.h"
#include "app/config/values.h"
#include "io/posix_file_system.h"

extern char** environ;

namespace weir::config {
namespace {

constexpr size_t kErrorsMax = 50;
constexpr size_t kListMax = 10'000;
constexpr std::string_view kVariablePrefix = "WEIR_";
// Of the same project, and no keys: what builds, tests and `weir surge` look at.
constexpr std::string_view kTestVariablePrefix = "WEIR_TEST_";
constexpr std::string_view kOtherVariables[] = {"WEIR_TRUTH", "WEIR_JOBS", "WEIR_TALLY",
                                                "WEIR_TOKEN"};

struct Spelling {
  const Key* key;
  Path path;
  std::string text;  // the same, with dots
  bool is_switch = false;
};

// Every way to write every key.
const std::vector<Spelling>& Spellings() {
  static const std::vector<Spelling> spellings = [] {
    std::vector<Spelling> out;
    for (const Key& key : Schema()) {
      out.push_back({&key, SplitPath(key.path), key.path});
      for (const std::string& alias : key.aliases) out.push_back({&key, SplitPath(alias), alias});
      for (const std::string& name : key.switches) {
        out.push_back({&key, SplitPath(name), name, true});
      }
    }
    return out;
  }();
  return spellings;
}

std::string Join(const Path& path) {
  std::string out;
  for (const std::string& segment : path) out += (out.empty() ? "" : ".") + segment;
  return out;
}

// "AdminPort", "Admin.Port", "ADMIN_PORT": the same.
std::string Squeezed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '.' || c == '_') continue;
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// The known key that is written most like `path`; empty if none is near.
std::string Nearest(const Path& path) {
  const std::string text = Join(path);
  if (text.size() > 100) return {};
  std::string best;
  size_t least = std::max<size_t>(2, text.size() / 3) + 1;
  for (const Spelling& spelling : Spellings()) {
    // The beginning of a longer key counts as well: "Admn" is near "Admin".
    Path begin = spelling.path;
    if (begin.size() > path.size()) begin.resize(path.size());
    const std::string candidate = Join(begin);
    size_t distance = EditDistance(Squeezed(text), Squeezed(candidate));
    // The right name in the wrong place: "Trace" for "Rest.Middlewares.Trace".
    if (spelling.path.back() == path.back()) distance = std::min<size_t>(distance, 1);
    if (distance >= least) continue;
    least = distance;
    best = spelling.path.back() == path.back() ? spelling.text : candidate;
  }
  return best;
}

// The same for the name of a variable, without its prefix.
std::string NearestVariable(const std::string& squeezed) {
  if (squeezed.size() > 100) return {};
  const Spelling* best = nullptr;
  size_t least = std::max<size_t>(2, squeezed.size() / 4) + 1;
  for (const Spelling& spelling : Spellings()) {
    if (spelling.key->pattern()) continue;
    const size_t distance = EditDistance(squeezed, Squeezed(spelling.text));
    if (distance >= least) continue;
    least = distance;
    best = &spelling;
  }
  if (best == nullptr) return {};
  std::string name(kVariablePrefix);
  for (const char c : best->text) {
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

class Loader {
 public:
  Loaded Run(const Sources& sources) {
    if (!sources.yaml.empty()) ReadFile(sources.file, sources.yaml);
    for (const auto& [name, value] : sources.environment) ReadVariable(name, value);
    for (const std::string& set : sources.sets) ReadSet(set);
    if (loaded_.ok()) loaded_.errors = CheckWhole(loaded_.config);
    return std::move(loaded_);
  }

 private:
  void Error(const std::string& place, const std::string& what) {
    if (loaded_.errors.size() < kErrorsMax) {
      loaded_.errors.push_back(place + ": " + what);
    } else if (loaded_.errors.size() == kErrorsMax) {
      loaded_.errors.push_back("and more");
    }
  }
  bool Enough() const { return loaded_.errors.size() > kErrorsMax; }

  void ReadFile(const std::string& name, const std::string& yaml) {
    file_ = name.empty() ? "configuration" : name;
    const auto document = ParseDocument(yaml);
    if (!document) {
      Error(file_ + ":" + document.error().message.substr(0, document.error().message.find(':')),
            document.error().message.substr(document.error().message.find(':') + 2));
      return;
    }
    if (document->kind == Node::Kind::kNull) return;
    if (document->kind != Node::Kind::kMap) {
      Error(file_ + ":1", "expected keys with values, such as `Port: 8080`");
      return;
    }
    given_.clear();
    Path path;
    Descend(path, *document);
  }

  std::string Place(int line) const {
    return origin_.empty() ? file_ + ":" + std::to_string(line) : origin_;
  }

  void Descend(Path& path, const Node& node) {
    if (node.kind == Node::Kind::kMap) {
      for (const Node::Member& member : node.members) {
        path.push_back(member.name);
        Visit(path, member.value, member.line);
        path.pop_back();
      }
    } else if (node.kind == Node::Kind::kList) {
      if (node.items.size() > kListMax) {
        Error(Place(node.line), "a list of more than 10,000");
        return;
      }
      for (size_t i = 0; i < node.items.size(); ++i) {
        path.push_back(std::to_string(i));
        Visit(path, node.items[i], node.items[i].line);
        path.pop_back();
      }
    } else if (node.kind == Node::Kind::kScalar) {
      Error(Place(node.line), "'" + Join(path) + "' has keys of its own, not a value");
    }
  }

  void Visit(Path& path, const Node& node, int line) {
    if (Enough()) return;
    bool begins = false;
    Captures captures;
    for (const Spelling& spelling : Spellings()) {
      const Match match = MatchPath(spelling.path, path, &captures);
      if (match == Match::kWhole) return Set(spelling, captures, path, node, line);
      begins = begins || match == Match::kPrefix;
    }
    const GoZeroKey* foreign = nullptr;
    const Match match = FindGoZero(path, &foreign);
    if (match == Match::kWhole) {
      const auto wrong = CheckGoZero(*foreign, node);
      if (wrong) Error(Place(line), "'" + Join(path) + "': " + *wrong);
      return;
    }
    if (begins || match == Match::kPrefix) return Descend(path, node);
    const std::string nearest = Nearest(path);
    Error(Place(line), "unknown key '" + Join(path) + "'" +
                           (nearest.empty() ? std::string(": see `weir config schema`")
                                            : ": did you mean '" + nearest + "'?"));
  }

  void Set(const Spelling& spelling, const Captures& captures, const Path& path, const Node& node,
           int line) {
    const Key& key = *spelling.key;
    const std::string target = Fill(key, captures);
    // Of one source a key is given once, whatever it is called there.
    if (origin_.empty()) {
      const auto [first, is_new] = given_.try_emplace(target, line);
      if (!is_new) {
        Error(Place(line), "'" + target +
                               "' is given already, under another of its names, in line " +
                               std::to_string(first->second));
        return;
      }
    }
    if (!PlaceExists(key, captures)) {
      Error(Place(line), "'" + target + "': places in a list are given in order, from 0");
      return;
    }
    const auto value = spelling.is_switch ? Switched(key, node) : base::Result<Node>(node);
    const auto wrong = value ? Assign(key, key.field(loaded_.config, captures), *value)
                             : std::optional(value.error().message);
    if (wrong) Error(Place(line), "'" + Join(path) + "': " + *wrong);
  }

  // Lists grow by one place at a time.
  bool PlaceExists(const Key& key, const Captures& captures) {
    if (key.path.find("<n>") == std::string::npos) return true;
    return std::stoul(captures.front()) <= key.instances(loaded_.config).size();
  }

  // A value out of the environment or of --set. Texts are taken as they are, everything else is
  // read as YAML; a list may also be written a,b.
  void ReadValue(const Path& path, const std::string& value) {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.text = value;
    node.line = 1;
    Captures captures;
    const auto whole = std::ranges::find_if(Spellings(), [&](const Spelling& spelling) {
      return MatchPath(spelling.path, path, &captures) == Match::kWhole;
    });
    const bool found = whole != Spellings().end();
    const bool list =
        found && (whole->key->type == Type::kList || whole->key->type == Type::kPaused);
    const bool text = found && whole->key->type == Type::kText;
    if (list && !value.starts_with('[')) {
      if (value.find(',') != std::string::npos) return VisitParsed(path, "[" + value + "]");
    } else if (!text) {
      return VisitParsed(path, value);
    }
    Path copy = path;
    Visit(copy, node, 1);
  }
  void VisitParsed(const Path& path, const std::string& yaml) {
    const auto document = ParseDocument(yaml);
    if (!document) {
      Error(origin_, "the value is not YAML");
      return;
    }
    Path copy = path;
    Visit(copy, *document, 1);
  }

  void ReadVariable(const std::string& name, const std::string& value) {
    if (!name.starts_with(kVariablePrefix) || name.starts_with(kTestVariablePrefix) ||
        std::ranges::count(kOtherVariables, name) > 0) {
      return;
    }
    const std::string squeezed = Squeezed(std::string_view(name).substr(kVariablePrefix.size()));
    const auto found = std::ranges::find_if(Spellings(), [&](const Spelling& spelling) {
      return !spelling.key->pattern() && Squeezed(spelling.text) == squeezed;
    });
    if (found == Spellings().end()) {
      // The environment is shared: somebody else's variable is no reason to refuse to start.
      const std::string nearest = NearestVariable(squeezed);
      loaded_.warnings.push_back("the environment variable " + name + " names no key" +
                                 (nearest.empty() ? "" : ": did you mean " + nearest + "?"));
      return;
    }
    origin_ = name;
    ReadValue(found->path, value);
    origin_.clear();
  }

  void ReadSet(const std::string& set) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      Error("--set " + set, "expected Path.To.Key=value");
      return;
    }
    origin_ = "--set " + set.substr(0, equals);
    ReadValue(SplitPath(std::string_view(set).substr(0, equals)), set.substr(equals + 1));
    origin_.clear();
  }

  Loaded loaded_;
  std::string file_;
  std::string origin_;  // empty: the file, and lines count
  std::map<std::string, int> given_;
};

}  // namespace

base::Result<Sources> Gather(const std::string& path, std::vector<std::string> sets) {
  Sources sources;
  if (!path.empty()) {
    sources.file = path;
    WEIR_ASSIGN_OR_RETURN(sources.yaml,
                          io::ReadWhole(io::PosixFileSystem(), path, kDocumentBytesMax));
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (!text.starts_with(kVariablePrefix) || equals == std::string_view::npos) continue;
    sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  sources.sets = std::move(sets);
  return sources;
}

Loaded Load(const Sources& sources) { return Loader().Run(sources); }

}  // namespace weir::config
