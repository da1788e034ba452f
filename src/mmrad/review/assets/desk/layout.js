/* The desk as markup. */

export const LAYOUT = `
<div class="desk" ref="root" :class="{ edits: canEdit }" @click="settle">
  <div class="desk-bar">
    <a v-if="queue" :href="base + '/'" class="desk-title">{{ queue.title }}</a>
    <span v-if="progress" class="desk-progress">
      <progress :value="progress.done" :max="progress.size" aria-label="Progress of the queue"></progress>
      {{ progress.done }} of {{ progress.size }} done<template v-if="progress.mine"> · {{ progress.mine }} by you</template></span>
    <span v-if="sample" class="desk-id" :title="sample.id">{{ sample.id }}</span>
    <span v-if="sample" class="desk-status" :class="sample.status">{{ statusWords }}</span>
    <span v-if="sample?.blind" class="desk-status">blind</span>
    <span class="desk-gap"></span>
    <span class="desk-saving" :class="{ trouble: outbox.trouble, saved: !outbox.waiting.length }" role="status">
      {{ savingWords }}</span>
    <Act words="Keys" icon="keyboard" command="help" @act="run('help')" />
  </div>
  <div class="desk-tools" role="toolbar" aria-label="View and boxes">
    <template v-if="sample">
      <Act icon="fit_screen" words="Whole picture" command="fit" @act="run('fit')" />
      <Act icon="remove" words="Zoom out" command="zoomOut" @act="run('zoomOut')" />
      <Percent :shared="shared" @act="run('full')" />
      <Act icon="add" words="Zoom in" command="zoomIn" @act="run('zoomIn')" />
      <i></i>
      <Act icon="select_all" words="Boxes" command="boxes" :pressed="show.boxes" @act="run('boxes')" />
      <Act icon="gradient" words="Mask" command="mask" :pressed="show.mask" :disabled="!sample.mask" @act="run('mask')" />
      <template v-if="sample.references.length > 1"><i></i>
        <Act icon="chevron_left" words="Previous reference" command="previousReference" @act="run('previousReference')" />
        <span class="desk-count">reference {{ reference + 1 }} / {{ sample.references.length }}</span>
        <Act icon="chevron_right" words="Next reference" command="nextReference" @act="run('nextReference')" /></template>
      <template v-if="decides"><i></i>
        <Act icon="undo" words="Undo" command="undo" :disabled="!editor.edits.past.length" @act="run('undo')" />
        <Act icon="redo" words="Redo" command="redo" :disabled="!editor.edits.future.length" @act="run('redo')" />
        <Act icon="highlight_alt" words="New box" command="draw" @act="run('draw')" />
        <Act icon="call_merge" words="Merge" command="merge" :disabled="editor.selected.length < 2" @act="run('merge')" />
        <Act icon="call_split" words="Split" command="split" :disabled="!editor.region" @act="run('split')" />
        <Act v-if="sample.proposals.length" icon="auto_fix_high" words="Proposals" command="propose" @act="run('propose')" />
        <Act v-if="segments" icon="center_focus_strong" words="Tighten" command="tighten" :disabled="!editor.region" @act="run('tighten')" /></template>
    </template>
    <p class="desk-say" role="status">{{ message }}</p>
  </div>
  <div class="desk-notices" role="region" aria-label="Notices" aria-live="polite">
    <div v-for="notice in notices" :key="notice.name" class="desk-notice" :class="notice.kind"
         :role="notice.kind === 'error' ? 'alert' : undefined">
      <span>{{ notice.words }}</span>
      <span class="desk-row">
        <a v-if="notice.link" :href="notice.link.address" class="desk-act">{{ notice.link.words }}</a>
        <button v-for="action in notice.actions" type="button" class="desk-act" @click="action.act">{{ action.words }}</button>
      </span>
    </div>
  </div>
  <div class="desk-work" v-if="sample">
    <div ref="panes" class="desk-panes" :class="{ alone: !sample.references.length, 'one-above': stacked }">
      <Pane v-if="sample.references.length" ref="reference" class="reference" name="Reference picture" title="Reference"
            :frame="sample.size_wh" :layers="referenceLayers" :shared="shared" @grab="grab($event, false)" @whole="run('fit')" />
      <Pane ref="query" class="query" :name="queryName" :title="show.blink ? 'Reference' : 'Query'" :style="{ cursor }"
            :frame="sample.size_wh" :layers="queryLayers" :shared="shared"
            @grab="grab($event, true)" @hover="hover" @whole="run('fit')" @resized="resized">
        <Overlay :shared="shared" :editor="editor" :visible="show.boxes && !show.blink" :others="others" :tool="tool"
                 :editable="canEdit" @select="editor.select($event)" />
      </Pane>
    </div>
    <div class="desk-side">
      <div class="desk-scroll">
        <Regions :editor="editor" :labels="sample.labels" :naming="naming" :proposed="proposed" :editable="canEdit"
                 @select="pick" @name="naming = $event" @named="named" @remove="removeBox"
                 @accept="accept" @accept-all="acceptAll" @close="proposed = null" />
        <Texts v-if="sample.texts.length" :texts="sample.texts" :shown="text" :editor="editor" :size="sample.size_wh"
               :checked="checked" :editing="editing" :editable="canEdit"
               @show="showText" @judge="judge" @rewrite="rewrite" @edit="setEditing" @place="place = $event" />
        <Reviews :sample="sample" :shown="shownReview" :editable="canEdit"
                 @show="shownReview = $event" @take="takeRegions" />
      </div>
      <div v-if="menu === 'drop' || menu === 'propose'" class="desk-popover">
        <Menu v-if="menu === 'drop'" title="Why drop it?" :options="reasons" other="other" @chosen="dropFor" @cancel="cancel" />
        <Menu v-else title="Propose boxes from" :options="sample.proposals.map((proposal) => proposal.name)"
              @chosen="propose" @cancel="cancel" />
      </div>
      <div v-if="decides" class="desk-decide" role="group" aria-label="Decision">
        <template v-if="!conflict">
          <Act words="Keep" command="keep" kind="keep" :pressed="decided === 'keep'" @act="run('keep')" />
          <Act words="Drop" command="drop" kind="drop" :pressed="decided === 'drop'" @act="run('drop')" />
          <Act words="Unsure" command="unsure" kind="unsure" :pressed="decided === 'unsure'" @act="run('unsure')" />
          <template v-if="queue"><Act words="Back" command="back" @act="run('back')" />
            <Act words="Skip" command="skip" @act="run('skip')" /></template>
        </template>
        <template v-else><Act :words="conflict.theirs ? 'Take theirs' : 'Discard mine'" @act="takeTheirs" />
          <Act :words="conflict.theirs ? 'Keep mine on top' : 'Send again'" kind="keep" @act="keepMine" /></template>
      </div>
    </div>
  </div>
  <div v-else class="desk-empty">
    <template v-if="finished"><h2>Nothing left for you here</h2>
      <p v-if="progress">{{ progress.done }} of {{ progress.size }} samples are done.</p>
      <p class="desk-row"><button type="button" class="desk-act" @click="lookAgain">Look again</button>
        <button v-if="walk.trail.length" type="button" class="desk-act" @click="backward">Back <kbd>←</kbd></button>
        <a :href="base + '/'" class="desk-act">To the queues</a></p></template>
    <p v-else-if="!notices.length" class="desk-soft">Loading …</p>
  </div>
  <Help v-if="menu === 'help'" @close="closeMenu" />
</div>`;
