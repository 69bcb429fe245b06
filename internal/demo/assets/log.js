// Shows webhooks as they arrive.
(function () {
  "use strict";
  var list = document.getElementById("events");
  var last = 0;
  function show(e) {
    document.getElementById("none").hidden = true;
    var item = document.createElement("li");
    item.dataset.type = e.type;
    var box = document.createElement("details");
    var line = document.createElement("summary");
    var name = document.createElement("b");
    name.textContent = e.type;
    var rest = document.createElement("small");
    rest.textContent = e.at + " · " + e.object + (e.did ? " · " + e.did : "");
    var body = document.createElement("pre");
    body.textContent = JSON.stringify(e.body, null, 2);
    line.append(name, rest);
    box.append(line, body);
    item.append(box);
    list.prepend(item);
    last = e.n;
  }
  function ask() {
    fetch("/demo/w/" + list.dataset.world + "/events?after=" + last)
      .then(function (r) { return r.json(); })
      .then(function (r) { r.events.forEach(show); })
      .catch(function () {})
      .then(function () { setTimeout(ask, 700); });
  }
  ask();
})();
