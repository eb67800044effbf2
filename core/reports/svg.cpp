#include "core/reports/svg.hpp"

#include "core/reports/markup.hpp"

namespace assay::reports {

namespace {

std::string attribute(const char* name, double value) {
  auto text = fixed(value, 1);
  if (text.ends_with(".0"))
    text.resize(text.size() - 2);
  return std::string(" ") + name + "=\"" + text + "\"";
}

std::string attribute(const char* name, std::string_view value) {
  return std::string(" ") + name + "=\"" + escape_markup(value) + "\"";
}

} // namespace

svg::svg(double width, double height, std::string_view title) {
  out_ = "<svg viewBox=\"0 0 " + fixed(width, 0) + " " + fixed(height, 0) + "\"" + attribute("width", width)
         + attribute("height", height) + " role=\"img\"" + attribute("aria-label", title) + ">";
}

void svg::close(std::string_view tag, std::string_view tooltip) {
  if (tooltip.empty()) {
    out_ += "/>";
    return;
  }
  out_ += "><title>" + escape_markup(tooltip) + "</title></" + std::string(tag) + ">";
}

svg& svg::rect(double x, double y, double width, double height, std::string_view css_class,
               std::string_view tooltip) {
  out_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width)
          + attribute("height", height) + attribute("class", css_class);
  close("rect", tooltip);
  return *this;
}

svg& svg::line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  out_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2)
          + attribute("class", css_class) + "/>";
  return *this;
}

svg& svg::circle(double x, double y, double radius, std::string_view css_class, std::string_view tooltip) {
  out_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius)
          + attribute("class", css_class);
  close("circle", tooltip);
  return *this;
}

svg& svg::text(double x, double y, std::string_view content, std::string_view anchor,
               std::string_view css_class) {
  out_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("text-anchor", anchor)
          + attribute("class", css_class) + ">" + escape_markup(content) + "</text>";
  return *this;
}

} // namespace assay::reports
