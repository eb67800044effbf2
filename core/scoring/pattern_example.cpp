#include "core/scoring/pattern.hpp"

#include <cctype>
#include <string>

namespace assay::scoring {
namespace {

/// Writes the shortest reading of a pattern by recursive descent. Anything unknown sets failed.
class example_writer {
public:
  example_writer(std::string_view pattern_text, uint32_t group, std::string_view replacement)
      : text_(pattern_text), group_(group), replacement_(replacement) {}

  std::string write() {
    std::string out = alternatives(0);
    return failed_ || position_ != text_.size() ? std::string{} : out;
  }

private:
  bool done() const { return position_ >= text_.size(); }
  char peek() const { return text_[position_]; }
  bool take(char c) {
    if (done() || peek() != c)
      return false;
    ++position_;
    return true;
  }
  std::string fail() {
    failed_ = true;
    position_ = text_.size();
    return {};
  }

  /// The first alternative counts; the others are read and dropped.
  std::string alternatives(int depth) {
    if (depth > 32)
      return fail();
    std::string first = sequence(depth);
    while (!failed_ && take('|'))
      sequence(depth);
    return first;
  }

  std::string sequence(int depth) {
    std::string out;
    while (!failed_ && !done() && peek() != '|' && peek() != ')')
      out += repetition(atom(depth));
    return out;
  }

  std::string atom(int depth) {
    const char c = text_[position_++];
    switch (c) {
    case '(':
      return group(depth);
    case '[':
      return character_class();
    case '\\':
      return escape();
    case '.':
      return "x";
    case '^':
    case '$':
      return {};
    case '*':
    case '+':
    case '?':
      return fail();
    default:
      return std::string(1, c);
    }
  }

  std::string group(int depth) {
    uint32_t number = 0;
    if (text_.substr(position_, 2) == "?:") {
      position_ += 2;
    } else if (text_.substr(position_, 3) == "?P<") {
      const size_t end = text_.find('>', position_);
      if (end == std::string_view::npos)
        return fail();
      position_ = end + 1;
      number = ++groups_;
    } else if (take('?')) {
      // Flags: (?i) stands alone, (?i:...) opens a group.
      while (!done() && (std::isalpha(static_cast<unsigned char>(peek())) != 0 || peek() == '-'))
        ++position_;
      if (take(')'))
        return {};
      if (!take(':'))
        return fail();
    } else {
      number = ++groups_;
    }
    std::string inner = alternatives(depth + 1);
    if (!take(')'))
      return fail();
    return number != 0 && number == group_ ? std::string(replacement_) : inner;
  }

  std::string escape() {
    if (done())
      return fail();
    const char c = text_[position_++];
    switch (c) {
    case 'd':
      return "1";
    case 'w':
    case 'D':
    case 'S':
      return "x";
    case 's':
    case 'W':
      return " ";
    case 'b':
    case 'A':
    case 'z':
      return {};
    case 'n':
      return "\n";
    case 't':
      return "\t";
    default:
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ? fail() : std::string(1, c);
    }
  }

  /// The first member, or for a negated class the first usual character that is no member.
  std::string character_class() {
    const bool negated = take('^');
    std::string members;
    std::string shown;
    for (bool first = true;; first = false) {
      if (done())
        return fail();
      if (!first && take(']'))
        break;
      std::string member;
      if (text_.substr(position_, 2) == "[:")
        return fail();
      const char c = text_[position_++];
      member = c == '\\' ? escape() : std::string(1, c);
      if (failed_)
        return {};
      if (shown.empty())
        shown = member;
      if (member.size() == 1 && position_ + 1 < text_.size() && peek() == '-'
          && text_[position_ + 1] != ']') {
        ++position_;
        const char last = text_[position_++];
        for (int x = static_cast<unsigned char>(member[0]); x <= static_cast<unsigned char>(last); ++x)
          members.push_back(static_cast<char>(x));
      } else {
        members += member;
      }
    }
    // A class of multi-byte characters is shown by its first one, complete.
    if (!negated) {
      if (shown.empty() || (static_cast<unsigned char>(shown[0]) & 0x80U) == 0)
        return shown;
      size_t length = 1;
      while (length < members.size() && (static_cast<unsigned char>(members[length]) & 0xC0U) == 0x80U)
        ++length;
      return members.substr(0, length);
    }
    for (const char candidate : std::string_view("x1 a-"))
      if (members.find(candidate) == std::string::npos)
        return std::string(1, candidate);
    return fail();
  }

  std::string repetition(const std::string& once) {
    size_t times = 1;
    bool repeated = false;
    while (!done()) {
      if (take('?')) {
        // After another quantifier it only means "lazy".
        times = repeated ? times : 0;
      } else if (take('*')) {
        times = 0;
      } else if (take('+')) {
        times = 1;
      } else if (peek() == '{') {
        size_t minimum = 0;
        size_t i = position_ + 1;
        const size_t digits = i;
        for (; i < text_.size() && std::isdigit(static_cast<unsigned char>(text_[i])) != 0 && minimum < 1000;
             ++i)
          minimum = minimum * 10 + static_cast<size_t>(text_[i] - '0');
        const size_t close = text_.find('}', i);
        if (i == digits || close == std::string_view::npos)
          return once; // A literal brace; the next atom.
        position_ = close + 1;
        times = minimum;
      } else {
        break;
      }
      repeated = true;
    }
    // An optional group that must show the replacement is written once.
    if (times == 0 && !replacement_.empty() && once == replacement_)
      times = 1;
    std::string out;
    for (size_t i = 0; i < times && out.size() < 65'536; ++i)
      out += once;
    return out;
  }

  std::string_view text_;
  uint32_t group_;
  std::string_view replacement_;
  size_t position_ = 0;
  uint32_t groups_ = 0;
  bool failed_ = false;
};

} // namespace

std::string example_of(std::string_view pattern_text, uint32_t group, std::string_view replacement) {
  return example_writer(pattern_text, group, replacement).write();
}

} // namespace assay::scoring
