/* Pages that are opened as files may start no worker: there the search runs in a hidden frame instead. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inner = frame.contentWindow
      inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = inner.document.createElement("script")
      this.started = new Promise(start => { script.onload = () => start(inner) })
      script.src = new URL(address, location)
      inner.document.head.append(script)
    }

    postMessage(data) {
      this.started.then(inner => inner.dispatchEvent(new inner.MessageEvent("message", { data })))
    }
  }
}
