// The payment ran in a window of its own, which closes itself. A browser lets a
// script close only windows that scripts have opened; others go back to the
// merchant, which the Refresh header would do a moment later anyway.
window.close();
window.location.replace(document.getElementById("back").href);
