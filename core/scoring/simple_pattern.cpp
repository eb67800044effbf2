#include "core/scoring/simple_pattern.hpp"

#include <algorithm>

namespace assay::scoring {

/// Reads items by recursive descent's little sister; anything unknown sets failed.
class simple_pattern::reader {
public:
  explicit reader(std::string_view text) : text_(text) {}

  bool read(simple_pattern& out) {
    while (!failed_ && at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '(') {
        failed_ = out.group_begin_.has_value() || text_.substr(at_ + 1).starts_with('?');
        out.group_begin_ = out.items_.size();
        open_ = true;
        ++at_;
      } else if (c == ')') {
        failed_ = !open_;
        open_ = false;
        out.group_end_ = out.items_.size();
        ++at_;
        // A group that repeats is more than this can read.
        failed_ = failed_ || (at_ < text_.size() && is_quantifier(text_[at_]));
      } else {
        out.items_.push_back(one());
      }
    }
    return !failed_ && !open_;
  }

private:
  static bool is_quantifier(char c) { return c == '?' || c == '*' || c == '+' || c == '{'; }

  item one() {
    item out;
    const char c = text_[at_++];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '[')
      out.allowed = bracketed();
    else if (c == '\\')
      out.allowed = escaped();
    else if (byte >= 0x80 || byte < ' ' || std::string_view("^$.|{}*+?]").find(c) != std::string_view::npos)
      failed_ = true;
    else
      out.allowed.set(byte);
    if (failed_ || at_ >= text_.size() || !is_quantifier(text_[at_]))
      return out;
    const char quantifier = text_[at_++];
    out.optional = quantifier != '+';
    out.repeated = quantifier != '?';
    // Lazy, possessive and counted repetition are left to RE2.
    failed_ = quantifier == '{' || (at_ < text_.size() && is_quantifier(text_[at_]));
    return out;
  }

  ascii escaped() {
    ascii out;
    if (at_ >= text_.size()) {
      failed_ = true;
      return out;
    }
    const char c = text_[at_++];
    const auto range = [&](char first, char last) {
      for (char i = first; i <= last; ++i)
        out.set(static_cast<size_t>(i));
    };
    if (c == 'd' || c == 'w')
      range('0', '9');
    if (c == 'w') {
      range('a', 'z');
      range('A', 'Z');
      out.set('_');
    } else if (c == 's') {
      for (const char space : {' ', '\t', '\n', '\f', '\r'})
        out.set(static_cast<size_t>(space));
    } else if (c == 'n') {
      out.set('\n');
    } else if (c != 'd') {
      const auto byte = static_cast<unsigned char>(c);
      const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      failed_ = failed_ || letter || byte >= 0x80 || byte < ' ';
      if (!failed_)
        out.set(byte);
    }
    return out;
  }

  ascii bracketed() {
    ascii out;
    // Negated classes match characters of several bytes, and a bracket or a colon may begin something else.
    if (at_ < text_.size() && (text_[at_] == '^' || text_[at_] == ']'))
      failed_ = true;
    while (!failed_ && at_ < text_.size() && text_[at_] != ']') {
      const char c = text_[at_++];
      const auto byte = static_cast<unsigned char>(c);
      if (c == '\\') {
        out |= escaped();
        // A range that begins with an escaped character is rare enough for RE2.
        failed_ = failed_ || (text_.substr(at_).starts_with('-') && !text_.substr(at_).starts_with("-]"));
        continue;
      }
      if (c == '[' || byte >= 0x80 || byte < ' ') {
        failed_ = true;
      } else if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        const auto last = static_cast<unsigned char>(text_[at_ + 1]);
        failed_ = last >= 0x80 || last < byte || text_[at_ + 1] == '\\' || text_[at_ + 1] == '[';
        for (size_t i = byte; !failed_ && i <= last; ++i)
          out.set(i);
        at_ += 2;
      } else {
        out.set(byte);
      }
    }
    if (at_ >= text_.size())
      failed_ = true;
    else
      ++at_;
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool open_ = false;
  bool failed_ = false;
};

bool simple_pattern::is_deterministic() const {
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].repeated && items_[i].allowed.test(static_cast<unsigned char>(prefix_[0])))
      return false;
    if (!items_[i].optional && !items_[i].repeated)
      continue;
    for (size_t j = i + 1; j < items_.size(); ++j) {
      if ((items_[i].allowed & items_[j].allowed).any())
        return false;
      if (!items_[j].optional)
        break;
    }
  }
  return true;
}

std::optional<simple_pattern> simple_pattern::read(std::string_view text) {
  simple_pattern out;
  if (text.size() > 256 || !reader(text).read(out))
    return std::nullopt;
  // What stands once, in front of everything that varies and of the group, is the text to look for.
  size_t fixed = 0;
  while (fixed < out.items_.size() && !out.items_[fixed].optional && !out.items_[fixed].repeated
         && out.items_[fixed].allowed.count() == 1 && (!out.group_begin_ || fixed < *out.group_begin_))
    ++fixed;
  for (size_t i = 0; i < fixed; ++i)
    for (size_t c = 0; c < 128; ++c)
      if (out.items_[i].allowed.test(c))
        out.prefix_.push_back(static_cast<char>(c));
  out.items_.erase(out.items_.begin(), out.items_.begin() + static_cast<std::ptrdiff_t>(fixed));
  if (out.group_begin_) {
    *out.group_begin_ -= fixed;
    out.group_end_ -= fixed;
  }
  if (out.prefix_.empty() || !out.is_deterministic())
    return std::nullopt;
  return out;
}

std::optional<simple_pattern::match> simple_pattern::find(std::string_view text, size_t position) const {
  for (size_t begin = text.find(prefix_[0], position); begin != std::string_view::npos;
       begin = text.find(prefix_[0], begin + 1)) {
    if (text.compare(begin, prefix_.size(), prefix_) != 0)
      continue;
    size_t at = begin + prefix_.size();
    size_t group_begin = at;
    size_t group_end = at;
    bool fits = true;
    for (size_t i = 0; fits && i <= items_.size(); ++i) {
      if (group_begin_ == i)
        group_begin = at;
      if (group_begin_ && group_end_ == i)
        group_end = at;
      if (i == items_.size())
        break;
      const item& one = items_[i];
      const auto allowed = [&](size_t where) {
        const auto byte = static_cast<unsigned char>(where < text.size() ? text[where] : 0xFF);
        return byte < 0x80 && one.allowed.test(byte);
      };
      fits = one.optional || allowed(at);
      if (one.repeated)
        while (allowed(at))
          ++at;
      else if (allowed(at))
        ++at;
    }
    if (!fits)
      continue;
    const std::string_view whole = text.substr(begin, at - begin);
    return match{whole, group_begin_ ? text.substr(group_begin, group_end - group_begin) : whole};
  }
  return std::nullopt;
}

} // namespace assay::scoring
